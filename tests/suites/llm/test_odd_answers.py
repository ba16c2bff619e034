"""What is read of answers of Chat Completions that have no text where it usually stands?"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from kit.errors import ModelBusy, ModelGarbage, ModelRefused, ModelUnavailable, ModelUnknown, ParleyError
from llm_service.backends.openai_chat import OpenAiChat
from llm_service.domain.backend import Answer, Model
from parley.llm.v1 import completion_pb2, model_pb2
from tests.simulated.wire import HttpServer, Reply, Request
from tests.stalls import SHORT_PATIENCE_SECONDS
from tests.suites.llm.service import Setup, a_prompt, serving, wired

MODEL = Model("m", "openai", 4096)
# What LM Studio says in a stream of a prompt that is too long: lmstudio-ai/lmstudio-bug-tracker, issue 546.
TOO_LONG = (
    "Trying to keep the first 5200 tokens when context the overflows. However, the model is loaded with context length "
    "of only 4096 tokens, which is not enough."
)
PARTS = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
    {"type": "text", "text": "Hello "},
    {"type": "text", "text": "you"},
]


@pytest.fixture(params=[False, True], ids=["whole", "stream"])
def stream(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.mark.parametrize(
    ("message", "finish", "text"),
    [
        ({"role": "assistant", "content": None, "reasoning_content": "Let me think"}, "length", ""),
        ({"role": "assistant"}, "content_filter", ""),
        ({"role": "assistant", "content": PARTS}, "stop", "Hello you"),
        ({"role": "assistant", "content": []}, "stop", ""),
    ],
)
async def test_an_answer_has_the_text_that_it_has(stream: bool, message: Any, finish: str, text: str) -> None:
    answer = await told({"choices": [{"index": 0, "message": message, "finish_reason": finish}]}, stream=stream)

    assert answer.text == text
    assert (answer.finish_reason == completion_pb2.FINISH_REASON_LENGTH) is (finish == "length")


@pytest.mark.parametrize("content", [7, ["Hello"], [{"type": "text", "text": 7}], {"type": "text", "text": "hi"}])
async def test_what_is_neither_text_nor_parts_is_garbage(stream: bool, content: object) -> None:
    with pytest.raises(ModelGarbage):
        await told({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}, stream=stream)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 400, "message": "secret \ud800"}, ModelRefused),
        ({"code": 403, "message": "Input flagged"}, ModelRefused),
        ({"code": 404}, ModelUnknown),
        ({"code": 429}, ModelBusy),
        ({"code": 502}, ModelUnavailable),
        ({"code": "insufficient_quota"}, ModelUnavailable),
        ({"code": True}, ModelUnavailable),
        ("Unexpected endpoint. Returning 200 anyway", ModelUnavailable),
        ({"message": TOO_LONG}, ModelRefused),
        (TOO_LONG, ModelRefused),
        ({"code": "context_length_exceeded", "message": "too long"}, ModelRefused),
        ({"code": 500, "message": TOO_LONG}, ModelUnavailable),
    ],
)
async def test_an_error_under_a_status_of_200_is_what_its_code_says(
    stream: bool, error: object, kind: type[ParleyError]
) -> None:
    with pytest.raises(kind) as raised:
        await told({"error": error}, stream=stream)

    assert type(raised.value) is kind
    assert "secret" not in raised.value.message


async def test_what_is_too_long_is_known_as_that_without_a_status(stream: bool) -> None:
    with pytest.raises(ModelRefused) as raised:
        await told({"error": {"message": TOO_LONG}}, stream=stream)

    assert raised.value.metadata["refused"] == "length"
    assert "5200" not in raised.value.message


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        ({"reason": "refund"}, {"reason": "refund"}),
        ({}, {}),
        ('{"reason": "x"}', {"reason": "x"}),
        (None, {}),
        ("", {}),
    ],
)
async def test_the_arguments_of_a_call_are_read_as_text_and_as_an_object(
    stream: bool, arguments: object, read: object
) -> None:
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "hand_off", "arguments": arguments}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}

    answer = await told({"choices": [{"message": message, "finish_reason": "tool_calls"}]}, stream=stream)

    assert [(call.id, call.name, json.loads(call.arguments)) for call in answer.calls] == [("c1", "hand_off", read)]


async def test_a_list_of_models_that_stands_bare_is_read() -> None:
    """As Together's does."""
    async with sending(json.dumps([{"id": "m", "object": "model"}, {"id": "n"}, {"type": "chat"}])) as backend:
        assert [model.name for model in await backend.models()] == ["m", "n"]
    async with sending(json.dumps([1, 2, 3])) as backend:
        with pytest.raises(ModelGarbage):
            await backend.models()


async def test_the_window_is_what_vllm_and_sglang_say_of_it_for_an_adapter_what_they_say_of_its_model() -> None:
    """https://docs.vllm.ai/en/stable/features/lora/"""
    said = [
        {"id": "llama", "owned_by": "vllm", "parent": None, "max_model_len": 32768},
        {"id": "ours", "owned_by": "vllm", "parent": "llama", "max_model_len": None},
        {"id": "gpt", "owned_by": "openai"},
        {"id": "odd", "parent": ["llama"], "max_model_len": "8192"},
        {"id": "odder", "parent": 7, "max_model_len": -1},
    ]
    async with sending(json.dumps({"object": "list", "data": said})) as backend:
        found = [(model.name, model.window_tokens) for model in await backend.models()]
    assert found == [("llama", 32768), ("ours", 32768), ("gpt", 0), ("odd", 0), ("odder", 0)]


@pytest.mark.parametrize(("named", "window"), [({}, 32768), ({"window_tokens": 8192}, 8192)])
async def test_a_prompt_is_made_for_that_window_unless_the_operator_says_another(
    tmp_path: Path, named: dict[str, object], window: int
) -> None:
    server = HttpServer(lambda _: Reply(200, b'{"data": [{"id": "m", "max_model_len": 32768}]}'))
    await server.listen()
    setup = Setup(kind="openai", models={"m": {"backend": "openai", **named}})
    async with serving(server.base_url, tmp_path, setup) as stub:
        request = model_pb2.CountTokensRequest(tenant_id="t1", prompt=a_prompt(model="m"))
        counted = await stub.CountTokens(request, timeout=SHORT_PATIENCE_SECONDS)
    await server.refuse()

    assert counted.window_tokens == window


async def test_a_model_that_takes_no_schema_is_asked_without_it_from_then_on() -> None:
    """What it writes is checked all the same."""

    def handler(request: Request) -> Reply:
        if "response_format" in json.loads(request.body):
            return Reply(400, b'{"error": {"message": "This response_format type is unavailable now"}}')
        choice = {"message": {"content": '{"attack": false}'}, "finish_reason": "stop"}
        return Reply(200, json.dumps({"choices": [choice]}).encode())

    server = HttpServer(handler)
    await server.listen()
    prompt = a_prompt()
    prompt.output_schema = '{"type": "object"}'
    async with wired(server.base_url) as wire:
        backend = OpenAiChat(wire, name="openai")
        answers = [await backend.answer(prompt, MODEL) for _ in range(2)]
    await server.refuse()

    assert [answer.text for answer in answers] == ['{"attack": false}'] * 2
    assert ["response_format" in json.loads(request.body) for request in server.heard] == [True, False, False]


async def test_a_name_that_cannot_be_told_is_no_model() -> None:
    """A lone surrogate in one would end ListModels, and with it all of /metrics."""
    names = ["m", "\ud800", "a\nb", "nul\0", "", "\u202em", "x" * 1025, "models/a b (c).gguf", 7]
    async with sending(json.dumps({"data": [{"id": each} for each in names]})) as backend:
        assert [model.name for model in await backend.models()] == ["m", "models/a b (c).gguf"]


@pytest.mark.parametrize("finish", ["error", "abort", "insufficient_system_resource"])
async def test_half_an_answer_that_its_server_broke_off_is_none(stream: bool, finish: str) -> None:
    """As OpenRouter and Mistral, SGLang and vLLM, and DeepSeek say it."""
    choice = {"message": {"content": "Your order is on"}, "finish_reason": finish}

    with pytest.raises(ModelUnavailable):
        await told({"choices": [choice]}, stream=stream)
    with pytest.raises(ModelBusy):
        await told({"choices": [choice | {"error": {"code": 429, "message": "slow down"}}]}, stream=stream)


async def test_a_window_that_is_full_is_a_limit(stream: bool) -> None:
    """As Mistral says it."""
    full = {"choices": [{"message": {"content": "Your order is on"}, "finish_reason": "model_length"}]}

    assert (await told(full, stream=stream)).finish_reason == completion_pb2.FINISH_REASON_LENGTH


async def test_an_error_that_stands_bare_is_one(stream: bool) -> None:
    """As vLLM said it in streams, before it put it under `error`."""
    with pytest.raises(ModelRefused):
        await told({"object": "error", "message": "no", "type": "BadRequestError", "code": 400}, stream=stream)


async def test_an_event_without_data_keeps_a_stream_open_and_says_nothing() -> None:
    said = json.dumps({"choices": [{"delta": {"content": "Hello"}}]})
    end = json.dumps({"choices": [{"delta": {}, "finish_reason": "stop"}]})

    async with sending(f"data:\n\ndata: {said}\n\ndata: \n\ndata: {end}\n\ndata:\n\ndata: [DONE]\n\n") as backend:
        *pieces, _ = [piece async for piece in backend.stream(a_prompt(), MODEL)]

    assert "".join(map(str, pieces)) == "Hello"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
async def test_a_stream_may_begin_with_a_mark_and_end_its_lines_as_it_likes(end: str, mark: str) -> None:
    """https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream"""
    first, last = {"delta": {"content": "Hello "}}, {"delta": {"content": "you"}, "finish_reason": "stop"}
    events = [f"data: {json.dumps({'choices': [each]})}{end}{end}" for each in (first, last)]

    async with sending(f"{mark}{''.join(events)}data: [DONE]{end}{end}") as backend:
        *pieces, _ = [piece async for piece in backend.stream(a_prompt(), MODEL)]

    assert "".join(map(str, pieces)) == "Hello you"


async def test_a_whole_answer_where_a_stream_was_asked_for_is_read_all_the_same() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "hand_off", "arguments": "{}"}}
    message = {"role": "assistant", "content": "Hello", "tool_calls": [call]}
    body = {"choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 7}}

    async with sending(json.dumps(body)) as backend:
        *pieces, end = [piece async for piece in backend.stream(a_prompt(), MODEL)]
    async with sending(json.dumps({"error": {"code": 429, "message": "slow down"}})) as backend:
        with pytest.raises(ModelBusy):
            _ = [piece async for piece in backend.stream(a_prompt(), MODEL)]

    assert isinstance(end, Answer)
    assert "".join(map(str, pieces)) == "Hello"
    assert ([call.name for call in end.calls], end.input_tokens) == (["hand_off"], 7)


async def test_an_error_in_a_field_of_its_own_is_one() -> None:
    """As llama.cpp's server wrote it in streams, until late in 2025."""
    full = {"code": 400, "message": "the request exceeds the available context size. try increasing the context size"}

    async with sending(f"error: {json.dumps(full)}\n\n") as backend:
        with pytest.raises(ModelRefused) as raised:
            _ = [piece async for piece in backend.stream(a_prompt(), MODEL)]

    assert raised.value.metadata["refused"] == "length"


ONE, OTHER = '{"reason": "one"}', '{"reason": "other"}'


@pytest.mark.parametrize(
    "pieces",
    [
        [("a", "hand_off", ONE), ("b", "hand_off", OTHER)],
        [("a", "hand_off", ONE[:5]), (None, None, ONE[5:]), ("b", "hand_off", ""), (None, None, OTHER)],
        [("", "hand_off", ONE), ("", "hand_off", OTHER)],
        [("a", "hand_off", ONE[:5]), ("a", "hand_off", ONE[5:]), ("b", "hand_off", OTHER)],
        [("a", "hand_off", ONE[:5]), ("z", None, ONE[5:]), ("b", "hand_off", OTHER), ("b", "hand_off", "")],
        [("", "hand_off", ONE[:5]), ("", "hand_off", ONE[5:]), ("", "hand_off", ""), ("", "hand_off", OTHER)],
    ],
)
async def test_calls_that_all_have_one_index_are_told_apart(pieces: list[tuple[str | None, str | None, str]]) -> None:
    """As Ollama's /v1 (ollama/ollama, issue 15457) and servers in front of Gemini write them."""
    deltas = [
        {"tool_calls": [{"index": 0, "id": name, "function": {"name": tool, "arguments": part}}]}
        for name, tool, part in pieces
    ]
    chunks = [{"choices": [{"delta": delta}]} for delta in deltas]
    end = {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}
    data = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in [*chunks, end])

    async with sending(data) as backend:
        *_, answer = [piece async for piece in backend.stream(a_prompt(), MODEL)]

    assert isinstance(answer, Answer)
    assert [(call.name, call.arguments) for call in answer.calls] == [("hand_off", ONE), ("hand_off", OTHER)]


async def told(body: dict[str, Any], *, stream: bool) -> Answer:
    async with answering(body, stream=stream) as backend:
        if not stream:
            return await backend.answer(a_prompt(), MODEL)
        *pieces, end = [piece async for piece in backend.stream(a_prompt(), MODEL)]
    assert isinstance(end, Answer)
    return Answer("".join(map(str, pieces)), end.finish_reason, calls=end.calls)


@asynccontextmanager
async def answering(body: dict[str, Any], *, stream: bool) -> AsyncIterator[OpenAiChat]:
    """A server that answers with this, in a stream as a chunk whose message is the delta."""
    said = body | {"choices": [{**each, "delta": each["message"]} for each in body.get("choices", ())]}
    data = f"data: {json.dumps(said)}\n\ndata: [DONE]\n\n" if stream else json.dumps(body)
    async with sending(data) as backend:
        yield backend


@asynccontextmanager
async def sending(data: str) -> AsyncIterator[OpenAiChat]:
    """A server that answers with this."""
    server = HttpServer(lambda _request: Reply(200, data.encode()))
    await server.listen()
    try:
        async with wired(server.base_url) as wire:
            yield OpenAiChat(wire, name="openai")
    finally:
        await server.refuse()
