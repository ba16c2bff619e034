"""What must every backend do? One suite for all, and the official clients are asked whether it was read rightly."""

from collections.abc import AsyncIterator

import pytest

from kit.errors import ModelUnsupported
from llm_service.domain.backend import Answer
from parley.llm.v1 import completion_pb2
from tests.suites.llm.oracles import ORACLES, Asked, a_question
from tests.suites.llm.ours import Ours, asking, prompt_of
from tests.suites.llm.service import a_prompt

FAR = "Größe, 大きさ, 🏳️‍🌈 and a last word"
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TIME = {"type": "object", "properties": {}}
TOOLS = {"weather": WEATHER, "time": TIME}

BERN, NOW = 'weather {"city": "Bern"}', "time {}"

# What a server is asked, by what is tried.
QUESTIONS = {
    "a word": a_question("hello"),
    "letters of many scripts": a_question(FAR),
    "a conversation": a_question("system: Be kind.", "one", "assistant: two", "three"),
    "one token": a_question("a long answer please", most_tokens=1),
    "a call": a_question('call weather {"city": "Größe 🏳️‍🌈"}', tools=TOOLS),
    "a call without arguments": a_question("call time", tools=TOOLS),
    "two calls": a_question(f"call2 {BERN} | {NOW}", tools=TOOLS),
    "no call": a_question("just talk", tools=TOOLS),
    "a result": a_question(f"call {BERN}", f"call: {BERN}", "tool: 7°", tools=TOOLS),
    "two results": a_question("both", f"call: {BERN}", f"call: {NOW}", "tool: 7°", "tool: noon", tools=TOOLS),
    "JSON": a_question('say {"city": "Zürich"}', schema=WEATHER),
}
CUTS = ("ok", "odd")  # "odd" streams three bytes at a time: every line, and every character of FAR, is cut somewhere


@pytest.fixture(params=["ollama", "openai", "responses", "echo"])
async def ours(request: pytest.FixtureRequest) -> AsyncIterator[Ours]:
    async with asking(request.param, "odd") as made:
        yield made


@pytest.mark.parametrize("mode", CUTS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", ORACLES)
async def test_our_backend_reads_what_the_official_client_reads(name: str, stream: bool, mode: str) -> None:
    async with asking(name, mode) as ours:
        for asked in QUESTIONS.values():
            told = await ours.told(asked, stream=stream)

            assert told == await ORACLES[name](ours.server.base_url, asked, stream=stream)


@pytest.mark.parametrize("name", ["openai", "responses"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_an_answer_that_a_filter_cut_short_says_so(name: str, stream: bool) -> None:
    async with asking(name) as ours:
        assert (await ours.told(a_question("filtered"), stream=stream)).finish == "content_filter"


@pytest.mark.parametrize("mode", CUTS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", ["ollama", "openai"])
async def test_what_a_model_thinks_is_no_part_of_its_answer(name: str, stream: bool, mode: str) -> None:
    async with asking(name, mode) as ours:
        told = [
            (await ours.told(a_question(f"say {text}"), stream=stream)).text
            for text in ("<think>\nHe is no \n</think>\n\nHello you", "<think>He is", "Write <think> and </think>")
        ]

    assert told == ["Hello you", "", "Write <think> and </think>"]


async def test_lists_its_models_under_its_own_name(ours: Ours) -> None:
    models = await ours.backend.models()

    assert models
    assert {model.backend for model in models} == {ours.backend.name}


async def test_answers_what_was_said_last(ours: Ours) -> None:
    answer = await ours.backend.answer(a_prompt("where is my parcel?"), await ours.model())

    assert "where is my parcel?" in answer.text
    assert answer.finish_reason == completion_pb2.FINISH_REASON_STOP


async def test_carries_every_character_there_and_back(ours: Ours) -> None:
    assert FAR in (await ours.backend.answer(a_prompt(FAR), await ours.model())).text


async def test_says_how_many_tokens_it_read_and_wrote(ours: Ours) -> None:
    answer = await ours.backend.answer(a_prompt("a question of some length"), await ours.model())

    assert answer.input_tokens > 0
    assert answer.output_tokens > 0


async def test_a_stream_says_the_same_in_pieces_and_ends_with_the_count(ours: Ours) -> None:
    model = await ours.model()
    whole = await ours.backend.answer(a_prompt(FAR), model)

    *pieces, end = [piece async for piece in ours.backend.stream(a_prompt(FAR), model) if piece]

    assert len(pieces) > 3
    assert "".join(str(piece) for piece in pieces) == whole.text
    assert end == Answer("", whole.finish_reason, whole.input_tokens, whole.output_tokens)


async def test_stops_where_the_caller_says(ours: Ours) -> None:
    prompt = a_prompt("a long answer please")
    prompt.max_output_tokens = 1

    answer = await ours.backend.answer(prompt, await ours.model())

    assert answer.finish_reason == completion_pb2.FINISH_REASON_LENGTH
    assert len(answer.text) <= 5


async def test_a_stream_may_be_left_early_and_the_next_call_works(ours: Ours) -> None:
    model = await ours.model()
    stream = ours.backend.stream(a_prompt(FAR), model)
    await anext(stream)

    await stream.aclose()

    assert "again" in (await ours.backend.answer(a_prompt("again"), model)).text


@pytest.mark.parametrize(("name", "feature"), [("echo", "output_schema"), ("openai", "raw"), ("responses", "raw")])
async def test_what_a_backend_cannot_do_is_said_by_name(name: str, feature: str) -> None:
    prompt = prompt_of(Asked((("user", "hi"),), schema=TIME if feature == "output_schema" else None))
    prompt.raw = feature == "raw"
    async with asking(name) as ours:
        with pytest.raises(ModelUnsupported) as raised:
            await ours.backend.answer(prompt, await ours.model())

    assert raised.value.metadata == {"feature": feature}


@pytest.mark.parametrize("name", ["echo", "openai", "responses"])
async def test_only_ollama_fetches_models(name: str) -> None:
    async with asking(name) as ours:
        with pytest.raises(ModelUnsupported) as raised:
            await anext(ours.backend.pull("llama3.2"))

    assert raised.value.metadata == {"feature": "pull"}
