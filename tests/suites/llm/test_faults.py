"""What comes out of the model service when the model server is ill? An outcome in time, with its reason, each time."""

import asyncio
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

from kit import errors
from parley.error.v1.error_reason_pb2 import ErrorReason
from parley.llm.v1 import llm_service_pb2 as llm
from tests.simulated import ollama as simulated
from tests.suites.llm.service import a_prompt, serving

if TYPE_CHECKING:
    from parley.llm.v1.llm_service_pb2_grpc import LlmServiceAsyncStub

SORRY = "Sorry, later."
DEADLINE_SECONDS = 1.5

UNAVAILABLE = ErrorReason.ERROR_REASON_MODEL_UNAVAILABLE
TIMEOUT = ErrorReason.ERROR_REASON_MODEL_TIMEOUT
GARBAGE = ErrorReason.ERROR_REASON_MODEL_GARBAGE
EMPTY = ErrorReason.ERROR_REASON_MODEL_EMPTY
BUSY = ErrorReason.ERROR_REASON_MODEL_BUSY

# Illness of the server, the reason that the caller reads, and the least and most calls that reach the server.
ILLNESSES = {
    "refuse": (UNAVAILABLE, 0, 0),
    "reset": (UNAVAILABLE, 2, 4),
    "500": (UNAVAILABLE, 2, 4),
    "503": (UNAVAILABLE, 2, 4),
    "error": (UNAVAILABLE, 2, 4),
    "hang": (TIMEOUT, 1, 1),
    "slow:30": (TIMEOUT, 1, 1),
    "drip": (TIMEOUT, 1, 1),
    "429": (BUSY, 1, 1),
    "400": (GARBAGE, 1, 1),
    "garbage": (GARBAGE, 1, 1),
    "half": (GARBAGE, 1, 1),
    "truncated": (GARBAGE, 1, 1),
    "html": (GARBAGE, 1, 1),
    "nothing": (GARBAGE, 1, 1),
    "list": (GARBAGE, 1, 1),
    "deep": (GARBAGE, 1, 1),
    "number": (GARBAGE, 1, 1),
    "null": (GARBAGE, 1, 1),
    "huge": (GARBAGE, 1, 1),
    "empty": (EMPTY, 1, 1),
    "blank": (EMPTY, 1, 1),
}


@pytest.mark.parametrize("illness", ILLNESSES)
async def test_an_ill_server_gives_the_fallback_in_time_and_the_reason(illness: str, tmp_path: Path) -> None:
    reason, least, most = ILLNESSES[illness]
    async with simulated.running() as server, serving(server.base_url, tmp_path) as stub:
        await stub.ListModels(llm.ListModelsRequest(), timeout=5)
        await server.switch(illness)
        started = time.monotonic()

        answer = await stub.Generate(_request(SORRY), timeout=DEADLINE_SECONDS)

    assert time.monotonic() - started < DEADLINE_SECONDS
    assert (answer.text, answer.completion.fallback) == (SORRY, True)
    assert ErrorReason.Name(answer.completion.failure.reason) == ErrorReason.Name(reason)
    assert answer.completion.finish_reason == llm.FINISH_REASON_FALLBACK
    assert least <= len(server.chats) <= most


@pytest.mark.parametrize("illness", ["refuse", "hang", "500", "garbage", "empty", "huge", "drip"])
async def test_without_a_fallback_text_the_call_fails_with_the_reason_in_time(illness: str, tmp_path: Path) -> None:
    async with simulated.running() as server, serving(server.base_url, tmp_path) as stub:
        await stub.ListModels(llm.ListModelsRequest(), timeout=5)
        await server.switch(illness)

        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.Generate(_request(""), timeout=1.0)

    assert errors.from_rpc(raised.value).reason == ILLNESSES[illness][0]


@pytest.mark.parametrize(
    ("illness", "reason"),
    [
        ("stall", TIMEOUT),
        ("hang", TIMEOUT),
        ("drip", TIMEOUT),
        ("truncated", GARBAGE),
        ("html", GARBAGE),
        ("huge", GARBAGE),
        ("nothing", GARBAGE),
        ("empty", EMPTY),
        ("500", UNAVAILABLE),
    ],
)
async def test_a_stream_from_an_ill_server_ends_in_time_with_the_reason(
    illness: str, reason: ErrorReason, tmp_path: Path
) -> None:
    async with simulated.running() as server, serving(server.base_url, tmp_path, silence_seconds=0.3) as stub:
        await stub.ListModels(llm.ListModelsRequest(), timeout=5)
        await server.switch(illness)

        with pytest.raises(grpc.aio.AioRpcError) as raised:
            async for _ in stub.GenerateStream(_stream_request(), timeout=DEADLINE_SECONDS):
                pass

    assert ErrorReason.Name(errors.from_rpc(raised.value).reason) == ErrorReason.Name(reason)


async def test_a_server_that_fails_now_and_then_is_asked_again(tmp_path: Path) -> None:
    async with simulated.running("flap") as server, serving(server.base_url, tmp_path) as stub:
        answer = await stub.Generate(_request(SORRY), timeout=5)

    assert (answer.text, answer.completion.attempts) == ("re: hello there", 2)


async def test_what_no_database_can_store_is_taken_out_of_an_answer(tmp_path: Path) -> None:
    async with simulated.running("surrogates") as server, serving(server.base_url, tmp_path) as stub:
        answer = await stub.Generate(_request(SORRY), timeout=5)

    assert answer.text == "abc"


async def test_two_hundred_megabytes_leave_no_trace_in_memory(tmp_path: Path) -> None:
    async with simulated.running("huge") as server, serving(server.base_url, tmp_path) as stub:
        await stub.Generate(_request(SORRY), timeout=5)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await asyncio.gather(*(stub.Generate(_request(SORRY), timeout=5) for _ in range(4)))

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


async def test_a_caller_that_hangs_up_ends_the_work_at_the_model_server(tmp_path: Path) -> None:
    async with simulated.running("hang") as server, serving(server.base_url, tmp_path) as stub:
        call = asyncio.ensure_future(_generate(stub))
        await _until(lambda: len(server.chats) == 1)

        call.cancel()

        await _until(lambda: server.chats[0].abandoned)


async def test_a_reader_that_leaves_a_stream_ends_the_work_at_the_model_server(tmp_path: Path) -> None:
    async with simulated.running("stall") as server, serving(server.base_url, tmp_path, silence_seconds=60) as stub:
        call = stub.GenerateStream(_stream_request(), timeout=60)
        assert (await anext(aiter(call))).delta == "re:"

        call.cancel()

        await _until(lambda: server.chats[0].abandoned)


async def test_one_call_more_than_there_are_places_is_told_to_come_again(tmp_path: Path) -> None:
    async with simulated.running("hang") as server, serving(server.base_url, tmp_path, places=2) as stub:
        holding = [asyncio.ensure_future(_generate(stub)) for _ in range(2)]
        await _until(lambda: len(server.chats) == 2)

        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.Generate(_request(""), timeout=5)
        for call in holding:
            call.cancel()
        await _until(lambda: all(seen.abandoned for seen in server.chats))
        await server.switch("ok")
        answer = await stub.Generate(_request(""), timeout=5)

    failure = errors.from_rpc(raised.value)
    assert isinstance(failure, errors.ModelBusy)
    assert failure.retry_after is not None
    assert answer.text == "re: hello there"


async def test_a_stream_brings_the_pieces_and_then_how_it_came_about(tmp_path: Path) -> None:
    async with simulated.running() as server, serving(server.base_url, tmp_path) as stub:
        *pieces, end = [part async for part in stub.GenerateStream(_stream_request(), timeout=5)]

    assert "".join(piece.delta for piece in pieces) == "re: hello there"
    assert (end.completed.model, end.completed.backend) == ("llama3.2:latest", "ollama")
    assert end.completed.output_tokens > 0


async def _generate(stub: "LlmServiceAsyncStub") -> llm.GenerateResponse:
    return await stub.Generate(_request(""), timeout=60)


async def _until(holds: Callable[[], bool], seconds: float = 3.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


def _request(fallback: str) -> llm.GenerateRequest:
    return llm.GenerateRequest(tenant_id="t1", prompt=a_prompt(), fallback_text=fallback)


def _stream_request() -> llm.GenerateStreamRequest:
    return llm.GenerateStreamRequest(tenant_id="t1", prompt=a_prompt())
