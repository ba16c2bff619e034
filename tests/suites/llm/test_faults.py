"""What comes out of the model service when the model server is ill? An outcome in time, with its reason, each time.

The same table for every protocol: one row is an illness, the reason that the caller reads, and how many calls reach the
server. All rows of a protocol run at once, each with a server and a service of its own.
"""

import asyncio
import resource
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import grpc
import pytest

from kit import errors
from llm_service.domain.breaker import Rule
from parley.error.v1.error_reason_pb2 import ErrorReason
from parley.llm.v1 import completion_pb2, model_pb2
from parley.llm.v1 import llm_service_pb2 as llm
from tests.stalls import SHORT_PATIENCE_SECONDS
from tests.suites.llm.oracles import ORACLES, SERVERS
from tests.suites.llm.service import Setup, a_prompt, serving

if TYPE_CHECKING:
    from parley.llm.v1.llm_service_pb2_grpc import LlmServiceAsyncStub

SORRY = "Sorry, later."
DEADLINE_SECONDS = 1.5
NOTHING = "an answer"

# Illness of the server, the reason that the caller reads, and the least and most calls that reach the server.
WHOLE = {
    "refuse": ("UNAVAILABLE", 0, 0),
    "reset": ("UNAVAILABLE", 2, 3),
    "500": ("UNAVAILABLE", 2, 3),
    "503": ("UNAVAILABLE", 2, 3),
    "503:30": ("UNAVAILABLE", 1, 1),
    "error": ("UNAVAILABLE", 2, 3),
    "hang": ("TIMEOUT", 1, 1),
    "half-open": ("TIMEOUT", 1, 1),
    "slow:30": ("TIMEOUT", 1, 1),
    "drip": ("TIMEOUT", 1, 1),
    "429": ("BUSY", 1, 1),
    "429-date:30": ("BUSY", 1, 1),
    "400": ("REFUSED", 1, 1),
    "garbage": ("GARBAGE", 1, 1),
    "half": ("GARBAGE", 1, 1),
    "truncated": ("GARBAGE", 1, 1),
    "html": ("GARBAGE", 1, 1),
    "nothing": ("GARBAGE", 1, 1),
    "list": ("GARBAGE", 1, 1),
    "deep": ("GARBAGE", 1, 1),
    "number": ("GARBAGE", 1, 1),
    "null": ("GARBAGE", 1, 1),
    "nul": ("GARBAGE", 1, 1),
    "surrogates": ("GARBAGE", 1, 1),
    "huge": ("GARBAGE", 1, 1),
    "empty": ("EMPTY", 1, 1),
    "blank": ("EMPTY", 1, 1),
    "flap": (NOTHING, 1, 2),
    "odd": (NOTHING, 1, 1),
}
STREAM = {
    **{illness: row for illness, row in WHOLE.items() if illness not in {"null", "slow:30"}},
    "stall": ("TIMEOUT", 1, 1),
    "cut": ("GARBAGE", 1, 1),
    "error-late": ("UNAVAILABLE", 1, 1),
}
# Where a protocol has an outcome of its own: Chat Completions has no text when the model was cut off while it thought.
OWN = {"openai": {"null": ("EMPTY", 1, 1)}}

LEAKING = ("hang", "half-open", "drip", "stall", "truncated", "reset", "500", "garbage", "html", "error-late", "nul")


class End(NamedTuple):
    """How a call ended, as its caller saw it."""

    reason: str
    calls: int
    seconds: float


async def _with_a_text(stub: "LlmServiceAsyncStub") -> str:
    answer = await stub.Generate(_request(SORRY), timeout=DEADLINE_SECONDS)
    fell_back = answer.completion.finish_reason == completion_pb2.FINISH_REASON_FALLBACK
    assert (answer.text == SORRY) is fell_back is answer.completion.fallback
    return _word(answer.completion.failure.reason) if fell_back else NOTHING


async def _without_a_text(stub: "LlmServiceAsyncStub") -> str:
    return await _reason(stub.Generate(_request(""), timeout=DEADLINE_SECONDS))


async def _as_a_stream(stub: "LlmServiceAsyncStub") -> str:
    return await _reason(_drained(stub, timeout=DEADLINE_SECONDS))


# How the service is asked, and what comes of it; the rows that hold for it.
WAYS = {
    "with a fallback text": (_with_a_text, WHOLE),
    "without one": (_without_a_text, WHOLE),
    "as a stream": (_as_a_stream, STREAM),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ORACLES)
async def test_every_illness_ends_in_time_with_its_reason(kind: str, way: str, tmp_path: Path) -> None:
    """A row that came out otherwise is tried once more, alone: a busy machine does not do thirty things a second."""
    ask, rows = WAYS[way]
    rows = {illness: OWN.get(kind, {}).get(illness, row) for illness, row in rows.items()}

    async def end(illness: str) -> End:
        async with SERVERS[kind]() as server, serving(server.base_url, tmp_path, _setup(kind)) as stub:
            await stub.ListModels(model_pb2.ListModelsRequest(), timeout=SHORT_PATIENCE_SECONDS)
            await server.switch(illness)
            began = time.monotonic()
            reason = await ask(stub)
            return End(reason, len(server.chats), time.monotonic() - began)

    ends = dict(zip(rows, await asyncio.gather(*map(end, rows)), strict=True))
    for illness in _unlike(rows, ends):
        ends[illness] = await end(illness)

    assert _unlike(rows, ends) == {}


@pytest.mark.parametrize("kind", ORACLES)
async def test_no_illness_leaves_a_task_or_a_connection_behind(kind: str, tmp_path: Path) -> None:
    """What was read to its end is kept for the next call: six at a time is what these calls may keep, once for all. A
    call that is given up just as it is tried again may use one more; a leak of one a round would be three."""
    patient, at_once, rounds = _setup(kind, rule=Rule(failures=1000)), 6, 3
    async with AsyncExitStack() as stack:
        rigs = {}
        for illness in LEAKING:
            server = await stack.enter_async_context(SERVERS[kind]())
            rigs[illness] = server, await stack.enter_async_context(serving(server.base_url, tmp_path, patient))
            await rigs[illness][1].Generate(_request(""), timeout=SHORT_PATIENCE_SECONDS)
        await _settled()
        tasks, connections = len(asyncio.all_tasks()), sum(server.open_connections for server, _ in rigs.values())

        for illness, (server, _) in rigs.items():
            await server.switch(illness)
        for _ in range(rounds):
            await asyncio.gather(
                *(_reason(_drained(stub, timeout=0.4)) for _, stub in rigs.values() for _ in range(at_once))
            )
            await _settled()  # a call that was given up may end after its caller: no more than six are to be at once

        kept = {illness: server.open_connections for illness, (server, _) in rigs.items()}
        assert {illness: many for illness, many in kept.items() if many >= at_once + rounds} == {}
        # The simulated server has a task for each connection; beside those there is none but at most one that loads the
        # model, at each Ollama.
        loads = len(rigs) if kind == "ollama" else 0
        assert len(asyncio.all_tasks()) - tasks <= sum(kept.values()) - connections + loads


@pytest.mark.parametrize("kind", ORACLES)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_two_hundred_megabytes_leave_no_trace_in_memory(kind: str, stream: bool, tmp_path: Path) -> None:
    patient = _setup(kind, rule=Rule(failures=1000))
    async with SERVERS[kind]("huge") as server, serving(server.base_url, tmp_path, patient) as stub:

        async def ask() -> None:
            if stream:
                await _reason(_drained(stub, timeout=5))
            else:
                await stub.Generate(_request(SORRY), timeout=5)

        await ask()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await asyncio.gather(*(ask() for _ in range(4)))

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


@pytest.mark.parametrize("mode", ["429:1", "429-date:2", "503:1"])
@pytest.mark.parametrize("kind", ORACLES)
async def test_a_server_that_names_a_time_is_asked_again_after_it_and_not_before(
    kind: str, mode: str, tmp_path: Path
) -> None:
    async with SERVERS[kind](mode) as server, serving(server.base_url, tmp_path, _setup(kind)) as stub:
        asked = [asyncio.ensure_future(_generate(stub)) for _ in range(2)]
        while not server.chats:
            await asyncio.sleep(0.01)
        await server.switch("ok")
        answers = await asyncio.gather(*asked)

    assert [answer.text for answer in answers] == ["re: hello there"] * 2
    assert max(answer.completion.attempts for answer in answers) == 2


def _setup(kind: str, rule: Rule | None = None) -> Setup:
    return Setup(kind=kind, silence_seconds=0.4, rule=rule or Rule())


def _unlike(rows: dict[str, tuple[str, int, int]], ends: dict[str, End]) -> dict[str, End]:
    """The rows that came out otherwise, or later than a second after their deadline."""

    def as_said(row: tuple[str, int, int], end: End) -> bool:
        reason, least, most = row
        return end.reason == reason and least <= end.calls <= most and end.seconds < DEADLINE_SECONDS + 1

    return {illness: ends[illness] for illness, row in rows.items() if not as_said(row, ends[illness])}


def _word(reason: ErrorReason) -> str:
    return ErrorReason.Name(reason).removeprefix("ERROR_REASON_MODEL_")


async def _settled() -> None:
    """Until what was cancelled has ended: its number of tasks stands still."""
    before = -1
    while before != (before := len(asyncio.all_tasks())):
        await asyncio.sleep(0.1)


async def _generate(stub: "LlmServiceAsyncStub") -> llm.GenerateResponse:
    return await stub.Generate(_request(""), timeout=10)


async def _drained(stub: "LlmServiceAsyncStub", *, timeout: float) -> None:
    async for _ in stub.GenerateStream(_stream_request(), timeout=timeout):
        pass


async def _reason(asked: Awaitable[object]) -> str:
    """Why it failed, or that it did not."""
    try:
        await asked
    except grpc.aio.AioRpcError as error:
        return _word(errors.from_rpc(error).reason)
    return NOTHING


def _request(fallback: str) -> llm.GenerateRequest:
    return llm.GenerateRequest(tenant_id="t1", prompt=a_prompt(), fallback_text=fallback)


def _stream_request() -> llm.GenerateStreamRequest:
    return llm.GenerateStreamRequest(tenant_id="t1", prompt=a_prompt())
