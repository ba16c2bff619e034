"""What does a caller get beyond a text: another model's answer, tools, JSON, counts, costs, a kept conversation?"""

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from kit import errors
from parley.chat.v1.message_pb2 import Role
from parley.llm.v1 import completion_pb2, model_pb2, prompt_pb2
from parley.llm.v1 import llm_service_pb2 as llm
from tests.simulated import ollama as simulated
from tests.simulated import openai as simulated_openai
from tests.stalls import SHORT_PATIENCE_SECONDS
from tests.suites.llm.oracles import ORACLES, SERVERS
from tests.suites.llm.service import Setup, a_prompt, serving

if TYPE_CHECKING:
    from parley.llm.v1.llm_service_pb2_grpc import LlmServiceAsyncStub

Table = dict[str, dict[str, Any]]

SORRY = "Sorry, later."
CITY = json.dumps({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
TOOL_CALLS = completion_pb2.FINISH_REASON_TOOL_CALLS


@pytest.fixture(params=ORACLES)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_the_next_model_of_the_chain_answers_and_it_is_said_why(tmp_path: Path) -> None:
    async with simulated.running() as good, simulated.running("500") as ill:
        spare: Table = {"spare": {"kind": "ollama", "base_url": good.base_url}}
        models: Table = {
            "first": {"backend": "ollama", "name": "llama3.2:latest", "fallbacks": ["second"]},
            "second": {"backend": "spare", "name": "llama3.2:latest", "input_price": 2.0, "output_price": 10.0},
        }
        async with serving(ill.base_url, tmp_path, Setup(models=models, others=spare)) as stub:
            answer = await _generate(stub, a_prompt(model="first"))
            pieces = [part async for part in _stream(stub, a_prompt(model="first"))]

    completion = answer.completion
    assert answer.text == "".join(part.delta for part in pieces) == "re: hello there"
    assert (completion.model, completion.backend, completion.fallback) == ("second", "spare", False)
    assert [over.model for over in completion.passed_over] == ["first"]
    assert completion.passed_over[0].failure.reason == errors.ModelUnavailable.reason
    assert pieces[-1].completed.passed_over[0].failure.reason == errors.ModelPaused.reason
    assert completion.cost_micros == completion.input_tokens * 2 + completion.output_tokens * 10


async def test_a_model_that_hangs_leaves_half_of_the_time_to_the_next(tmp_path: Path) -> None:
    async with simulated.running() as good, simulated.running("hang") as ill:
        spare: Table = {"spare": {"kind": "ollama", "base_url": good.base_url}}
        models: Table = {
            "first": {"backend": "ollama", "name": "llama3.2:latest", "fallbacks": ["second", "echo"]},
            "second": {"backend": "spare", "name": "llama3.2:latest"},
        }
        async with serving(ill.base_url, tmp_path, Setup(models=models, others=spare)) as stub:
            answer = await _generate(stub, a_prompt(model="first"), seconds=2)

    assert answer.completion.model == "second"
    assert answer.completion.passed_over[0].failure.reason == errors.ModelTimeout.reason
    assert 0.4 < answer.completion.model_time.ToTimedelta().total_seconds() < 1.2


async def test_a_stream_falls_back_to_the_text_only_before_its_first_piece(tmp_path: Path) -> None:
    async with simulated.running("500") as server, serving(server.base_url, tmp_path) as stub:
        before = [part async for part in _stream(stub, a_prompt(), fallback=SORRY)]
        await server.switch("error-late")
    async with simulated.running("error-late") as server, serving(server.base_url, tmp_path) as stub:
        after, failure = await _broken(stub, a_prompt(), fallback=SORRY)

    assert [part.delta for part in before] == [SORRY, ""]
    assert before[-1].completed.failure.reason == errors.ModelUnavailable.reason
    assert [part.delta for part in after] == ["re:"]
    assert isinstance(failure, errors.ModelUnavailable)


async def test_calls_of_tools_come_whole_and_fit(kind: str, tmp_path: Path) -> None:
    prompt = _with_tool(a_prompt('call weather {"city": "Bern"}'))
    async with SERVERS[kind]() as server, serving(server.base_url, tmp_path, Setup(kind)) as stub:
        answer = await _generate(stub, prompt)
        *calls, end = [part async for part in _stream(stub, prompt)]
        (call,) = answer.tool_calls
        prompt.messages.add(role=Role.ROLE_AGENT, tool_calls=[call])
        prompt.messages.add(role=Role.ROLE_TOOL, text="7°", tool_call_id=call.id)
        told = await _generate(stub, prompt)

    assert (call.name, json.loads(call.arguments), bool(call.id)) == ("weather", {"city": "Bern"}, True)
    assert [(part.tool_call.name, part.tool_call.arguments) for part in calls] == [(call.name, call.arguments)]
    assert answer.completion.finish_reason == end.completed.finish_reason == TOOL_CALLS
    assert told.text == "re: tool said 7°"


@pytest.mark.parametrize("said", ['call bomb {"city": "Bern"}', 'call weather {"city": 7}', "call weather {}"])
async def test_a_call_that_does_not_fit_is_never_handed_on(kind: str, said: str, tmp_path: Path) -> None:
    prompt = _with_tool(a_prompt(said))
    async with SERVERS[kind]() as server, serving(server.base_url, tmp_path, Setup(kind)) as stub:
        without_tools = await _generate(stub, prompt)
        prompt.tool_choice = prompt_pb2.TOOL_CHOICE_REQUIRED
        failure = await _failure(stub, prompt)
        parts, streamed = await _broken(stub, prompt)

    assert (without_tools.text, list(without_tools.tool_calls)) == (f"re: {said}", [])
    assert isinstance(failure, errors.ModelToolInvalid)
    assert isinstance(streamed, errors.ModelToolInvalid)
    assert not any(part.HasField("tool_call") for part in parts)
    assert "Bern" not in failure.message


async def test_json_that_does_not_fit_is_asked_for_once_more(kind: str, tmp_path: Path) -> None:
    mended, fenced = 'repair {"city": 7} | {"city": "Bern"}', 'say ```json\n{"city": "Bern"}\n```'
    async with SERVERS[kind]() as server, serving(server.base_url, tmp_path, Setup(kind)) as stub:
        answers = [await _generate(stub, _with_schema(a_prompt(said))) for said in (mended, fenced)]
        streamed = [part async for part in _stream(stub, _with_schema(a_prompt(mended)))]
        failure = await _failure(stub, _with_schema(a_prompt("say no JSON at all")))

    assert [json.loads(answer.text) for answer in answers] == [{"city": "Bern"}] * 2
    assert [answer.completion.attempts for answer in answers] == [2, 1]
    assert [part.delta for part in streamed] == ['{"city": "Bern"}', ""]
    assert isinstance(failure, errors.ModelOutputInvalid)
    assert "no JSON at all" not in failure.message
    assert len(server.chats) == 7


async def test_what_was_paid_for_and_brought_no_answer_is_counted(kind: str, tmp_path: Path) -> None:
    once: Table = {"m": {"backend": kind, "input_price": 1.0, "output_price": 10.0}}
    wrong = _with_tool(a_prompt("call weather {}", model="m"))
    async with SERVERS[kind]("empty") as server:
        once["m"]["name"] = server.models[0]
        async with serving(server.base_url, tmp_path, Setup(kind, models=once)) as stub:
            empty = (await _generate(stub, a_prompt(model="m"), fallback=SORRY)).completion
            *_, last = [part async for part in _stream(stub, a_prompt(model="m"), fallback=SORRY)]
            await server.switch("ok")
            once_more = (await _generate(stub, wrong)).completion
            misfit = (await _generate(stub, _with_schema(a_prompt("no JSON", model="m")), fallback=SORRY)).completion

    for each in (empty, last.completed, once_more, misfit):
        assert each.input_tokens > 0
        assert each.cost_micros == each.input_tokens + 10 * each.output_tokens
    assert (empty.fallback, last.completed.fallback) == (True, True)
    assert (once_more.fallback, once_more.attempts) == (False, 2)
    assert (misfit.fallback, misfit.attempts, misfit.output_tokens > 0) == (True, 2, True)


async def test_a_schema_that_is_none_is_refused_by_the_name_of_its_field(tmp_path: Path) -> None:
    prompt = a_prompt()
    prompt.tools.add(name="look", parameters='{"type": "objekt"}')
    prompt.tools.add(name="look", parameters='{"$ref": "http://127.0.0.1:9/schema"}')
    prompt.output_schema = "[]"
    async with simulated.running() as server, serving(server.base_url, tmp_path) as stub:
        failure = await _failure(stub, prompt, fallback=SORRY)

    assert isinstance(failure, errors.InvalidField)
    assert [field for field, _ in failure.violations] == [
        "prompt.tools[0].parameters",
        "prompt.tools[1].name",
        "prompt.tools[1].parameters",
        "prompt.output_schema",
    ]
    assert server.chats == []


async def test_tokens_are_estimated_and_learnt_from_what_the_model_counts(tmp_path: Path) -> None:
    prompt = a_prompt("x" * 4000)
    async with simulated.running() as server, serving(server.base_url, tmp_path) as stub:
        request = model_pb2.CountTokensRequest(tenant_id="t1", prompt=prompt)
        before = await stub.CountTokens(request, timeout=SHORT_PATIENCE_SECONDS)
        await _generate(stub, prompt)
        after = await stub.CountTokens(request, timeout=SHORT_PATIENCE_SECONDS)

    assert (before.input_tokens, before.characters_per_token, before.answers_counted) == (1002, 4.0, 0)
    assert (before.model, before.window_tokens) == ("llama3.2:latest", 4096)
    assert after.answers_counted == 1
    assert len(server.chats) == 1


async def test_a_model_is_pulled_through_the_service_and_listed_at_once(tmp_path: Path) -> None:
    async with simulated.running() as server, serving(server.base_url, tmp_path) as stub:
        steps = [
            step
            async for step in stub.PullModel(
                model_pb2.PullModelRequest(model="mistral"), timeout=SHORT_PATIENCE_SECONDS
            )
        ]
        listed = await stub.ListModels(model_pb2.ListModelsRequest(), timeout=SHORT_PATIENCE_SECONDS)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            async for _ in stub.PullModel(model_pb2.PullModelRequest(model="nope"), timeout=SHORT_PATIENCE_SECONDS):
                pass

    assert steps[-1].status == "success"
    assert any(model.name.startswith("mistral") for model in listed.models)
    assert isinstance(errors.from_rpc(raised.value), errors.ModelUnknown)


async def test_a_servers_conversation_is_kept_until_somebody_else_answers(tmp_path: Path) -> None:
    async with simulated.running() as other, simulated_openai.running() as server:
        spare: Table = {"spare": {"kind": "ollama", "base_url": other.base_url}}
        models: Table = {"first": {"backend": "responses", "name": "gpt-5-mini", "fallbacks": ["llama3.2:latest"]}}
        async with serving(server.base_url, tmp_path, Setup("responses", models=models, others=spare)) as stub:
            made = (await _generate(stub, _kept(""))).completion.model_conversation
            again = (await _generate(stub, _kept(made))).completion.model_conversation
            anew = (await _generate(stub, _kept("none/"))).completion.model_conversation
            await server.switch("500")
            lost = (await _generate(stub, _kept(made))).completion
            none = (await _generate(stub, a_prompt(model="first"))).completion

    assert made == again
    assert made.startswith("responses/conv_")
    assert anew.startswith("responses/conv_")
    assert anew != made
    assert (lost.backend, lost.model_conversation) == ("spare", "none/")
    assert none.model_conversation == ""


async def test_a_conversation_that_is_still_written_in_is_busy_for_a_moment_and_no_other_is(tmp_path: Path) -> None:
    """OpenAI refuses it (400, conversation_locked) for some seconds after a call that was given up."""
    setup = Setup("responses", models={"first": {"backend": "responses", "name": "gpt-5-mini"}})
    async with simulated_openai.running() as server, serving(server.base_url, tmp_path, setup) as stub:
        made = (await _generate(stub, _kept(""))).completion.model_conversation
        server.locked.add(made.removeprefix("responses/"))
        busy = await _failure(stub, _kept(made))
        other = await _generate(stub, _kept(""))
        server.locked.clear()
        again = await _generate(stub, _kept(made))
        listed = await stub.ListModels(model_pb2.ListModelsRequest(), timeout=10)

    assert isinstance(busy, errors.ModelBusy)
    assert busy.retry_after == timedelta(seconds=2)
    assert other.text == again.text == "re: hello there"
    assert again.completion.model_conversation == made
    assert not any(model.HasField("last_failure") for model in listed.models)


@pytest.mark.parametrize("protocol", ["openai", "responses"])
async def test_a_key_that_may_chat_and_not_list_is_no_refused_one(protocol: str, tmp_path: Path) -> None:
    setup = Setup(protocol, models={"m": {"backend": protocol, "name": "gpt-5-mini"}})
    async with simulated_openai.running(hides_models=True) as server, serving(server.base_url, tmp_path, setup) as stub:
        before = await stub.ListModels(model_pb2.ListModelsRequest(), timeout=10)
        answer = await _generate(stub, a_prompt())
        after = await stub.ListModels(model_pb2.ListModelsRequest(), timeout=10)

    assert answer.text == "re: hello there"
    assert "does not let our key list its models: only a call can say" in before.note
    assert f"answers with {after.default_model}" in after.note
    states = {model.state for listed in (before, after) for model in listed.models if model.name == "m"}
    assert states == {model_pb2.MODEL_STATE_READY}


def _kept(conversation: str) -> prompt_pb2.Prompt:
    prompt = a_prompt(model="first")
    prompt.model_conversation = conversation
    return prompt


def _with_tool(prompt: prompt_pb2.Prompt) -> prompt_pb2.Prompt:
    prompt.tools.add(name="weather", description="Tells the weather of a city.", parameters=CITY)
    return prompt


def _with_schema(prompt: prompt_pb2.Prompt) -> prompt_pb2.Prompt:
    prompt.output_schema = CITY
    return prompt


async def _generate(
    stub: "LlmServiceAsyncStub", prompt: prompt_pb2.Prompt, *, fallback: str = "", seconds: float = 10
) -> llm.GenerateResponse:
    request = llm.GenerateRequest(tenant_id="t1", prompt=prompt, fallback_text=fallback)
    return await stub.Generate(request, timeout=seconds)


def _stream(
    stub: "LlmServiceAsyncStub", prompt: prompt_pb2.Prompt, *, fallback: str = ""
) -> "grpc.aio.UnaryStreamCall[llm.GenerateStreamRequest, llm.GenerateStreamResponse]":
    request = llm.GenerateStreamRequest(tenant_id="t1", prompt=prompt, fallback_text=fallback)
    return stub.GenerateStream(request, timeout=10)


async def _broken(
    stub: "LlmServiceAsyncStub", prompt: prompt_pb2.Prompt, *, fallback: str = ""
) -> tuple[list[llm.GenerateStreamResponse], errors.ParleyError]:
    """What came of a stream before it failed, and why it did."""
    parts: list[llm.GenerateStreamResponse] = []
    try:
        async for part in _stream(stub, prompt, fallback=fallback):
            parts.append(part)  # noqa: PERF401  it must be there when the next one fails
    except grpc.aio.AioRpcError as error:
        return parts, errors.from_rpc(error)
    raise AssertionError("the stream did not fail")


async def _failure(stub: "LlmServiceAsyncStub", prompt: prompt_pb2.Prompt, *, fallback: str = "") -> errors.ParleyError:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await _generate(stub, prompt, fallback=fallback)
    return errors.from_rpc(raised.value)
