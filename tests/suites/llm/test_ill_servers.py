"""Are the simulated model servers ill in the way that they are told to be, as the official clients see it?"""

import asyncio
from email.utils import parsedate_to_datetime

import aiohttp
import ollama
import openai
import pytest

from tests.simulated import ollama as simulated_ollama
from tests.simulated import openai as simulated_openai
from tests.simulated.model_illnesses import HUGE_BYTES, ILLNESSES
from tests.suites.llm.oracles import ORACLES, SERVERS, Failed, a_question, openai_client, told_twice

PATHS = {"ollama": "/api/chat", "openai": "/v1/chat/completions", "responses": "/v1/responses"}
BOTH_OPENAI = ("openai", "responses")

# Nothing more comes; in the others something wrong does, or something strange.
SILENT = {"hang", "drip", "stall", "half-open"}
STRANGE = {"empty": "", "blank": " \n\t ", "surrogates": "a\x00b\ud800c", "nul": "a\x00b"}
CALLING = {"calls-unknown": "look_up", "calls-badly": "hand_off", "calls-hand-off": "hand_off"}
WRONG = sorted({*ILLNESSES} - SILENT - {*STRANGE} - {*CALLING} - {"huge", "null"})


@pytest.fixture(params=ORACLES)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(params=["ok", "odd"])
def mode(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.mark.parametrize("illness", WRONG)
@pytest.mark.parametrize("stream", [False, True])
async def test_an_ill_server_is_never_taken_for_a_healthy_one(name: str, illness: str, stream: bool) -> None:
    async with SERVERS[name](illness) as server, asyncio.timeout(30):
        with pytest.raises(Exception) as raised:  # noqa: PT011  the clients raise whatever their parsers do
            await ORACLES[name](server.base_url, a_question("hello"), stream=stream)

    assert not isinstance(raised.value, TimeoutError | KeyError)
    assert len(server.chats) == 1


@pytest.mark.parametrize("illness", sorted(SILENT))
@pytest.mark.parametrize("stream", [False, True])
async def test_a_server_that_falls_silent_notices_that_its_caller_has_left(
    name: str, illness: str, stream: bool
) -> None:
    async with SERVERS[name](illness) as server:
        asked = asyncio.ensure_future(ORACLES[name](server.base_url, a_question("hello"), stream=stream))
        async with asyncio.timeout(30):
            while not server.chats:
                await asyncio.sleep(0.01)
            assert not (await asyncio.wait([asked], timeout=0.2))[0]
            asked.cancel()
            while not server.chats[0].abandoned or server.open_connections:
                await asyncio.sleep(0.01)
        assert asked.cancelled()


@pytest.mark.parametrize("illness", STRANGE)
async def test_a_strange_text_is_well_formed(name: str, illness: str) -> None:
    assert (await told_twice(name, a_question("hello"), mode=illness)).text == STRANGE[illness]


@pytest.mark.parametrize("illness", CALLING)
async def test_a_model_that_only_calls_a_tool_does_so_though_it_was_offered_none(name: str, illness: str) -> None:
    told = await told_twice(name, a_question("hello"), mode=illness)
    assert (told.text, [called for called, _ in told.calls]) == ("", [CALLING[illness]])


@pytest.mark.parametrize("name", ["ollama", "openai"])
async def test_no_text_at_all_is_well_formed_where_calls_may_stand_instead(name: str) -> None:
    assert (await told_twice(name, a_question("hello"), mode="null")).text == ""


@pytest.mark.parametrize("stream", [False, True])
async def test_no_text_at_all_is_wrong_in_the_part_of_a_response_that_is_text(stream: bool) -> None:
    async with simulated_openai.running("null") as server:
        with pytest.raises(openai.APIResponseValidationError):
            await ORACLES["responses"](server.base_url, a_question("hello"), stream=stream)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_huge_answer_is_one_text_without_an_end_in_sight(name: str, stream: bool) -> None:
    body = {"model": "any", "messages": [{"role": "user", "content": "hi"}], "input": "hi", "stream": stream}
    async with (
        SERVERS[name]("huge") as server,
        aiohttp.ClientSession() as session,
        session.post(server.base_url + PATHS[name], json=body) as response,
    ):
        data = await response.content.readexactly(4 * 1024 * 1024)

    assert len(data) < HUGE_BYTES
    assert data.endswith(b"x" * 4_000_000)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_server_that_flaps_fails_every_other_call_and_a_slow_one_takes_its_time(
    name: str, stream: bool
) -> None:
    async with SERVERS[name]("flap") as server:
        for _ in range(2):
            with pytest.raises((ollama.ResponseError, openai.InternalServerError)):
                await ORACLES[name](server.base_url, a_question("hello"), stream=stream)
            assert (await ORACLES[name](server.base_url, a_question("hello"), stream=stream)).text == "re: hello"
        await server.switch("slow:0.2")
        began = asyncio.get_running_loop().time()
        await ORACLES[name](server.base_url, a_question("hello"), stream=stream)

    assert asyncio.get_running_loop().time() - began > 0.2


async def test_connections_are_counted_while_they_are_open() -> None:
    async with simulated_openai.running() as server:
        assert server.open_connections == 0
        async with openai_client(server.base_url) as client:
            await asyncio.gather(*(client.models.list() for _ in range(3)))
            assert server.open_connections == 3
        async with asyncio.timeout(30):
            while server.open_connections:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("illness", "raises", "code"),
    [
        ("400", openai.BadRequestError, None),
        ("429", openai.RateLimitError, "rate_limit_exceeded"),
        ("500", openai.InternalServerError, None),
        ("503", openai.InternalServerError, None),
    ],
)
@pytest.mark.parametrize("name", BOTH_OPENAI)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_status_is_the_exception_that_the_openai_client_documents(
    name: str, stream: bool, illness: str, raises: type[openai.APIStatusError], code: str | None
) -> None:
    async with simulated_openai.running(illness) as server:
        with pytest.raises(raises) as raised:
            await ORACLES[name](server.base_url, a_question("hello"), stream=stream)

    assert raised.value.code == code
    assert raised.value.type


@pytest.mark.parametrize("status", [400, 429, 500, 503])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_status_is_the_response_error_of_the_ollama_client(status: int, stream: bool) -> None:
    async with simulated_ollama.running(f"{status}") as server:
        with pytest.raises(ollama.ResponseError) as raised:
            await ORACLES["ollama"](server.base_url, a_question("hello"), stream=stream)

    assert raised.value.status_code == status
    assert "{" not in raised.value.error


async def test_a_refusal_says_how_long_to_wait_in_seconds_or_until_when(name: str) -> None:
    waits = {}
    async with SERVERS[name]() as server, aiohttp.ClientSession() as session:
        for illness in ("429", "429:2", "503:4", "503", "429-date:3"):
            await server.switch(illness)
            async with session.post(server.base_url + PATHS[name], json={}) as response:
                waits[illness] = (response.status, response.headers.get("retry-after"), response.headers["date"])

    assert [wait[:2] for wait in waits.values()][:-1] == [(429, "7"), (429, "2"), (503, "4"), (503, None)]
    until, now = (parsedate_to_datetime(str(date)) for date in waits["429-date:3"][1:])
    assert 3 <= (until - now).total_seconds() <= 5


async def test_an_error_in_the_middle_of_a_responses_stream_is_an_event_and_the_end(mode: str) -> None:
    async with simulated_openai.running("error-late") as server, openai_client(server.base_url) as client:
        stream = await client.responses.create(model=simulated_openai.MODEL, input="hello", stream=True)
        events = [event async for event in stream]
        with pytest.raises(Failed):
            await ORACLES["responses"](server.base_url, a_question("hello"), stream=True)

    assert [event.type for event in events][-3:] == ["response.output_text.delta", "error", "response.failed"]
    assert [event.sequence_number for event in events] == list(range(len(events)))


async def test_a_mode_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="hungry"):
        simulated_ollama.Ollama("hungry")
