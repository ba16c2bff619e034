"""Are the simulated model servers faithful? The official clients understand them and check each answer by its type."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import ollama
import openai
import pytest

from tests.simulated import ollama as simulated_ollama
from tests.simulated import openai as simulated_openai
from tests.suites.llm.oracles import ORACLES, a_question, ollama_client, openai_client, told_twice

BOTH_OPENAI = ("openai", "responses")

# Characters of one to four bytes, flags and families of several, a line separator, and what Go and HTML escape.
FAR = 'Größe, 大きさ, 🇩🇪🇯🇵, 👩‍👩‍👧 🏳️‍🌈,\u2028"quoted" <b>&amp;</b> \\ and\n a last  word'
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = {"weather": WEATHER, "time": {"type": "object", "properties": {}}}


@pytest.fixture(params=ORACLES)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(params=["ok", "odd"])
def mode(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


async def test_a_text_with_every_kind_of_character_comes_back_whole(name: str, mode: str) -> None:
    answer = await told_twice(name, a_question("system: Be kind.", "hello", "assistant: re: hello", FAR), mode=mode)

    assert (answer.text, answer.calls, answer.finish) == (f"re: {FAR}", (), "stop")
    assert answer.input_tokens > 10
    assert answer.output_tokens > 10


async def test_a_tool_call_has_its_name_and_its_arguments(name: str, mode: str) -> None:
    answer = await told_twice(name, a_question('call weather {"city": "大阪 🇯🇵"}', tools=TOOLS), mode=mode)

    assert (answer.text, answer.calls, answer.finish) == ("", (("weather", {"city": "大阪 🇯🇵"}),), "tool_calls")


async def test_two_tool_calls_come_in_one_answer_and_need_not_have_been_offered(name: str, mode: str) -> None:
    question = a_question('call2 weather {"city": "Köln"} | erase {"all": true}', tools=TOOLS)

    answer = await told_twice(name, question, mode=mode)

    assert answer.calls == (("weather", {"city": "Köln"}), ("erase", {"all": True}))


async def test_without_tools_an_order_to_call_one_is_a_text_like_any_other(name: str) -> None:
    assert (await told_twice(name, a_question("call weather {}"))).text == "re: call weather {}"


async def test_the_results_of_two_tools_go_back_to_the_model(name: str, mode: str) -> None:
    turns = ('call2 weather {"city": "Köln"} | time {}', 'call: weather {"city": "Köln"}', "call: time {}")

    answer = await told_twice(name, a_question(*turns, "tool: 雨 21 °C", "tool: noon", tools=TOOLS), mode=mode)

    assert (answer.text, answer.calls, answer.finish) == ("re: tool said noon", (), "stop")


async def test_structured_output_is_exactly_what_was_to_be_said(name: str, mode: str) -> None:
    answer = await told_twice(name, a_question('say {"city": "Zürich"}', schema=WEATHER), mode=mode)

    assert json.loads(answer.text) == {"city": "Zürich"}


async def test_a_bad_answer_is_repaired_when_it_is_asked_for_again(name: str) -> None:
    first, then = "repair {bad | {}", ("assistant: {bad", "That was not JSON.")

    assert (await told_twice(name, a_question(first))).text == "{bad"
    assert (await told_twice(name, a_question(first, *then))).text == "{}"
    assert (await told_twice(name, a_question(first, *then, "assistant: {}", "thanks"))).text == "re: thanks"


async def test_a_limit_of_one_token_cuts_the_answer_to_a_word(name: str, mode: str) -> None:
    answer = await told_twice(name, a_question("a long question", most_tokens=1), mode=mode)

    assert (answer.text, answer.finish) == ("re:", "length")


@pytest.mark.parametrize("name", BOTH_OPENAI)
async def test_a_filtered_answer_is_partial_and_says_so(name: str, mode: str) -> None:
    answer = await told_twice(name, a_question("filtered"), mode=mode)

    assert (answer.text, answer.finish) == ("re: fil", "content_filter")


async def test_both_servers_list_their_models() -> None:
    async with simulated_ollama.running(models=("a:1b", "b:2b")) as server, ollama_client(server.base_url) as client:
        assert [each.model for each in (await client.list()).models] == ["a:1b", "b:2b"]
        assert "tools" in ((await client.show("a:1b")).capabilities or ())
    async with simulated_openai.running(models=("a", "b")) as other, openai_client(other.base_url) as account:
        assert [each.id async for each in account.models.list()] == ["a", "b"]


async def test_ollama_completes_a_raw_prompt(mode: str) -> None:
    asking: dict[str, Any] = {"model": "llama3.2", "prompt": FAR, "raw": True, "keep_alive": "5m"}
    async with simulated_ollama.running(mode) as server, ollama_client(server.base_url) as client:
        whole = await client.generate(**asking)
        parts = [part async for part in await client.generate(**asking, stream=True)]

    assert whole.response == "".join(part.response or "" for part in parts) == f"re: {FAR}"
    assert parts[-1].done
    assert whole.eval_count == parts[-1].eval_count
    assert [seen.body["keep_alive"] for seen in server.chats] == ["5m", "5m"]


async def test_a_model_that_is_pulled_tells_its_progress_and_is_there_then(mode: str) -> None:
    async with simulated_ollama.running(mode) as server, ollama_client(server.base_url) as client:
        steps = [step async for step in await client.pull("mistral", stream=True)]
        listed = [each.model for each in (await client.list()).models]
        whole = await client.pull("qwen3")

    layers: dict[str, list[int]] = {}
    for step in steps:
        if step.digest and step.total:
            layers.setdefault(step.digest, []).append(step.completed or 0)
            assert step.status == f"pulling {step.digest.removeprefix('sha256:')[:12]}"
    assert len(layers) > 1
    assert all(a < b for completed in layers.values() for a, b in pairwise(completed))
    ends = [step.status for step in steps if not step.digest]
    assert ends == ["pulling manifest", "verifying sha256 digest", "writing manifest", "success"]
    assert listed == ["llama3.2:latest", "mistral:latest"]
    assert whole.status == "success"


async def test_a_model_that_nobody_has_cannot_be_pulled() -> None:
    async with simulated_ollama.running() as server, ollama_client(server.base_url) as client:
        with pytest.raises(ollama.ResponseError, match="pull model manifest: file does not exist"):
            [step async for step in await client.pull("nope", stream=True)]


async def test_a_conversation_keeps_what_was_said_in_it(mode: str) -> None:
    async with simulated_openai.running(mode) as server, openai_client(server.base_url) as client:
        first: Any = {"type": "message", "role": "user", "content": "I am Ada."}
        made = await client.conversations.create(items=[first])
        asking: dict[str, Any] = {"model": simulated_openai.MODEL, "conversation": made.id}
        bad = await client.responses.create(input="repair {bad | {}", **asking)
        stream = await client.responses.create(input="again", stream=True, **asking)
        events = [event async for event in stream]

    kept = server.conversations[made.id]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (bad.output_text, events[-1].response.output_text) == ("{bad", "{}")
    assert [item["role"] for item in kept] == ["user", "user", "assistant", "user", "assistant"]
    assert kept[0] == first
    assert kept[-1]["content"][0]["text"] == "{}"
    assert (bad.conversation and bad.conversation.id) == made.id


async def test_a_stored_prompt_may_stand_for_the_model() -> None:
    prompt: Any = {"id": "pmpt_1", "version": "2", "variables": {"name": "Ada"}}
    async with simulated_openai.running() as server, openai_client(server.base_url) as client:
        answer = await client.responses.create(prompt=prompt, input="hello")

    assert answer.output_text == "re: hello"
    assert server.chats[0].body == {"prompt": prompt, "input": "hello"}


@pytest.mark.parametrize("name", BOTH_OPENAI)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_result_that_answers_no_call_and_a_call_without_result_are_refused(name: str, stream: bool) -> None:
    async with simulated_openai.running() as server:
        for turns in (("hello", "tool: noon"), ("hello", "call: time {}", "never mind")):
            with pytest.raises(openai.BadRequestError, match="tool"):
                await ORACLES[name](server.base_url, a_question(*turns, tools=TOOLS), stream=stream)


async def test_an_unknown_model_or_conversation_is_not_found() -> None:
    asking: Any = {"model": "mistral", "messages": [{"role": "user", "content": "hi"}]}
    async with simulated_ollama.running() as server, ollama_client(server.base_url) as client:
        with pytest.raises(ollama.ResponseError, match="model 'mistral' not found") as raised:
            await client.chat(**asking)
    assert raised.value.status_code == 404
    async with simulated_openai.running() as other, openai_client(other.base_url) as account:
        for call in (account.chat.completions.create(**asking), account.responses.create(model="mistral", input="")):
            with pytest.raises(openai.NotFoundError) as missing:
                await call
            assert missing.value.code == "model_not_found"
        with pytest.raises(openai.NotFoundError, match="conv_gone"):
            await account.responses.create(model=simulated_openai.MODEL, input="hi", conversation="conv_gone")


@pytest.mark.parametrize(("given", "code"), [("sk-wrong", "invalid_api_key"), ("sk-right", "")])
async def test_a_server_with_a_key_admits_nobody_without_it(given: str, code: str) -> None:
    async with simulated_openai.running(key="sk-right") as server, openai_client(server.base_url, key=given) as client:
        found = []
        for call in (client.models.list, client.conversations.create, _hello(client)):
            try:
                await call()
            except openai.AuthenticationError as error:
                found.append(error.code)

    assert found == [code] * 3 if code else not found
    assert [seen.headers["authorization"] for seen in server.requests] == [f"Bearer {given}"] * 3


def _hello(client: openai.AsyncOpenAI) -> Callable[[], Any]:
    return lambda: client.responses.create(model=simulated_openai.MODEL, input="hello")
