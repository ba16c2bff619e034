"""What exactly do we ask a server of OpenAI's protocols, and how does a conversation that it holds go on?"""

import json

import pytest

from kit.errors import ModelRefused, ModelUnavailable, ModelUnknown
from llm_service.domain.backend import Model
from parley.chat.v1.message_pb2 import Role
from parley.llm.v1 import prompt_pb2
from tests.suites.llm.oracles import a_question
from tests.suites.llm.ours import Ours, asking, prompt_of
from tests.suites.llm.service import a_prompt

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


async def test_the_prompt_travels_as_a_chat_completion() -> None:
    prompt = prompt_of(a_question("system: Be kind.", "hi", tools={"look": SCHEMA}, schema=SCHEMA, most_tokens=99))
    prompt.temperature = 0.0
    prompt.tool_choice = prompt_pb2.TOOL_CHOICE_REQUIRED

    async with asking("openai") as ours:
        await ours.backend.answer(prompt, Model("fast", "openai", 4096, server_name="gpt-5-mini", max_output_tokens=50))

    assert ours.server.chats[0].body == {
        "model": "gpt-5-mini",
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}],
        "max_tokens": 50,
        "temperature": 0.0,
        "tools": [
            {"type": "function", "function": {"name": "look", "description": "Does look.", "parameters": SCHEMA}}
        ],
        "tool_choice": "required",
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}},
    }


async def test_what_was_said_in_one_breath_travels_as_one_message() -> None:
    """The templates of Mistral and Gemma refuse two messages of one role in a row."""
    said = a_question("system: Be kind.", "system: They met.", "one", "two", "assistant: three", "four", "five")

    async with asking("openai") as ours:
        await ours.backend.answer(prompt_of(said), await ours.model())

    assert ours.server.chats[0].body["messages"] == [
        {"role": "system", "content": "Be kind.\n\nThey met."},
        {"role": "user", "content": "one\n\ntwo"},
        {"role": "assistant", "content": "three"},
        {"role": "user", "content": "four\n\nfive"},
    ]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_model_that_knows_the_limit_by_its_longer_name_only_is_told_that_from_then_on(stream: bool) -> None:
    asked = a_question("a long answer please", most_tokens=1)
    async with asking("openai", wants_longer=True) as ours:
        for _ in range(2):
            assert (await ours.told(asked, stream=stream)).finish == "length"

    limits = [{key for key in chat.body if key.startswith("max_")} for chat in ours.server.chats]
    assert limits == [{"max_tokens"}, {"max_completion_tokens"}, {"max_completion_tokens"}]


async def test_a_server_that_knows_no_wish_for_counts_streams_without_it_from_then_on() -> None:
    """Mistral refuses it with 422, and counts in any case."""
    asked = a_question("hello", most_tokens=9)
    async with asking("openai", wants_longer=True, counts_unasked=True) as ours:
        first, second = [await ours.told(asked, stream=True) for _ in range(2)]

    assert (first.text, second.text) == ("re: hello", "re: hello")
    assert first.input_tokens > 0
    assert first.output_tokens > 0
    wishes = ["stream_options" in chat.body for chat in ours.server.chats]
    assert wishes == [True, False, False, False]


async def test_the_prompt_travels_as_a_response_that_the_server_does_not_store() -> None:
    prompt = prompt_of(a_question("system: Be kind.", "one", "assistant: two", "three", tools={"look": SCHEMA}))

    async with asking("responses") as ours:
        await ours.backend.answer(prompt, Model("gpt-5-mini", "responses", 4096))

    assert ours.server.chats[0].body == {
        "model": "gpt-5-mini",
        "stream": False,
        "instructions": "Be kind.",
        "tools": [
            {
                "type": "function",
                "strict": False,
                "name": "look",
                "description": "Does look.",
                "parameters": SCHEMA,
            }
        ],
        "tool_choice": "auto",
        "input": [
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two"},
            {"role": "user", "content": "three"},
        ],
        "store": False,
    }
    assert ours.server.conversations == {}


@pytest.mark.parametrize("name", ["openai", "responses"])
async def test_a_wrong_key_and_an_unknown_model_are_told_apart(name: str) -> None:
    async with asking(name, key="another") as ours:
        with pytest.raises(ModelRefused, match="key"):
            await ours.backend.models()
        with pytest.raises(ModelRefused, match="key"):
            await ours.backend.answer(a_prompt(), Model("gpt-5-mini", name, 4096))
    async with asking(name) as ours:
        with pytest.raises(ModelUnknown):
            await ours.backend.answer(a_prompt(), Model("gpt-9", name, 4096))


async def test_a_stored_prompt_stands_in_for_the_instructions() -> None:
    stored = Model("gpt-5-mini", "responses", 4096, prompt_id="pmpt_1", prompt_version="7")

    async with asking("responses") as ours:
        await ours.backend.answer(a_prompt(), stored)

    body = ours.server.chats[0].body
    assert body["prompt"] == {"id": "pmpt_1", "version": "7"}
    assert "instructions" not in body


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_conversation_is_made_once_from_what_was_said_and_then_sent_only_what_is_new(stream: bool) -> None:
    async with asking("responses") as ours:
        first = _talk("old question", "old answer", "one")
        kept = await _kept(ours, first, stream=stream)
        second = _talk("old question", "old answer", "one", "re: one", "two", "and three", conversation=kept)
        again = await _kept(ours, second, stream=stream)

    (items,) = ours.server.conversations.values()
    assert kept == again
    assert kept.startswith("responses/conv_")
    assert [_text(item) for item in items] == [
        *("old question", "old answer", "one", "re: one", "two", "and three", "re: and three"),
    ]
    assert [chat.body["conversation"] for chat in ours.server.chats] == [kept.removeprefix("responses/")] * 2


async def test_another_backends_conversation_begins_a_new_one_and_one_the_server_lost_too() -> None:
    async with asking("responses") as ours:
        for known in ("other/conv_1", "none/", "responses/conv_gone"):
            kept = await _kept(ours, _talk("one", conversation=known), stream=False)

            assert kept.startswith("responses/conv_")
            assert kept != known

    assert len(ours.server.conversations) == 3


async def test_an_attempt_that_fails_leaves_its_conversation_to_the_next_one() -> None:
    prompt = _talk("one")
    async with asking("responses", "500") as ours:
        with pytest.raises(ModelUnavailable):
            await _kept(ours, prompt, stream=False)
        await ours.server.switch("ok")
        kept = await _kept(ours, prompt, stream=False)

    assert list(ours.server.conversations) == [kept.removeprefix("responses/")]


async def test_a_tools_result_goes_on_in_the_conversation() -> None:
    async with asking("responses") as ours:
        asked = _talk("call look {}")
        asked.tools.add(name="look", parameters=json.dumps(SCHEMA))
        answer = await ours.backend.answer(asked, await ours.model())
        made = asked.messages.add(role=Role.ROLE_AGENT)
        made.tool_calls.add(id=answer.calls[0].id, name="look", arguments="{}")
        asked.messages.add(role=Role.ROLE_TOOL, text="all well", tool_call_id=answer.calls[0].id)

        told = await ours.backend.answer(asked, await ours.model())

    assert told.text == "re: tool said all well"
    assert len(ours.server.conversations) == 1


def _talk(*texts: str, conversation: str = "") -> prompt_pb2.Prompt:
    """Told in turns, but what stands after the last `re:` is all the person's."""
    roles = [Role.ROLE_AGENT if text.startswith(("re:", "old answer")) else Role.ROLE_CONTACT for text in texts]
    said = [prompt_pb2.PromptMessage(role=role, text=text) for role, text in zip(roles, texts, strict=True)]
    return prompt_pb2.Prompt(messages=said, model_conversation=conversation)


async def _kept(ours: Ours, prompt: prompt_pb2.Prompt, *, stream: bool) -> str:
    model = await ours.model()
    if not stream:
        return (await ours.backend.answer(prompt, model)).model_conversation
    *_, end = [piece async for piece in ours.backend.stream(prompt, model)]
    assert not isinstance(end, str)
    return end.model_conversation


def _text(item: dict[str, object]) -> str:
    content = item["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)  # type: ignore[attr-defined]
