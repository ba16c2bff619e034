"""How is what the domain found said in the words of the contract?"""

from collections.abc import Sequence
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from kit import errors
from kit.moments import span
from llm_service.domain.backend import Answer, Model, Progress
from llm_service.domain.choice import Row
from llm_service.domain.record import Record
from llm_service.domain.tokens import Estimate
from parley.llm.v1 import completion_pb2, model_pb2, prompt_pb2

# The conversation that a server holds lacks what somebody else answered: the next prompt begins another one.
FORGOTTEN = "none/"


def completion(
    record: Record, answer: Answer, *, prompt: prompt_pb2.Prompt, kept: str = ""
) -> completion_pb2.Completion:
    """How an answer came about. `kept` is the conversation that the caller gave."""
    said = completion_pb2.Completion(
        finish_reason=answer.finish_reason,
        model=record.model,
        backend=record.backend,
        input_tokens=record.input_tokens,
        output_tokens=record.output_tokens,
        attempts=record.attempts,
        model_time=_span(record.model_seconds),
        cost_micros=record.cost_micros,
        model_conversation=answer.model_conversation or _forgotten(kept),
    )
    if record.passed_over:
        said.passed_over.extend(_passed_over(record.passed_over))
    if record.first_text_seconds is not None:
        said.time_to_first_text.CopyFrom(_span(record.first_text_seconds))
    if not prompt.HasField("model_conversation"):
        said.model_conversation = ""
    return said


def fallback(record: Record, error: errors.ParleyError, *, prompt: prompt_pb2.Prompt) -> completion_pb2.Completion:
    """Why the text is the fallback text."""
    said = completion(
        record,
        Answer("", completion_pb2.FINISH_REASON_FALLBACK),
        prompt=prompt,
        kept=prompt.model_conversation,
    )
    said.fallback = True
    said.failure.CopyFrom(errors.as_item(error))
    return said


def may_fall_back(text: str, error: errors.ParleyError) -> bool:
    """What the caller itself got wrong is told, whatever text there is."""
    return bool(text) and not isinstance(error, errors.InvalidField)


def tool_calls(answer: Answer) -> list[prompt_pb2.ToolCall]:
    """A server need not give calls an id; the contract does."""
    return [
        prompt_pb2.ToolCall(id=call.id or f"call_{number}", name=call.name, arguments=call.arguments)
        for number, call in enumerate(answer.calls, 1)
    ]


def model(row: Row, estimate: Estimate) -> model_pb2.Model:
    """A model as it is listed."""
    found, served, health = row.route.model, row.route.served, row.route.health
    said = model_pb2.Model(
        name=found.name,
        backend=served.name,
        window_tokens=found.window_tokens,
        available=row.state in {model_pb2.MODEL_STATE_READY, model_pb2.MODEL_STATE_PROBED},
        state=row.state,
        fallbacks=found.fallbacks,
        input_price_micros=found.input_price_micros,
        output_price_micros=found.output_price_micros,
        characters_per_token=estimate.ratio(found.name),
        calls_under_way=served.bulkhead.taken,
        calls_waiting=served.bulkhead.waiting,
    )
    if row.state == model_pb2.MODEL_STATE_PAUSED:
        said.paused_for.CopyFrom(_span(health.breaker.paused_seconds))
    if row.state == model_pb2.MODEL_STATE_RESTING:
        said.paused_for.CopyFrom(_span(health.resting_seconds))
    if health.failure is not None:
        said.last_failure.CopyFrom(errors.as_item(health.failure))
    return said


def progress(step: Progress) -> model_pb2.PullModelResponse:
    """How far a fetch is."""
    return model_pb2.PullModelResponse(
        status=step.status, layer=step.layer, completed_bytes=step.completed_bytes, total_bytes=step.total_bytes
    )


def _forgotten(kept: str) -> str:
    return FORGOTTEN if kept and not kept.endswith("/") else ""


def _passed_over(found: Sequence[tuple[Model, errors.ParleyError]]) -> list[completion_pb2.PassedOver]:
    return [
        completion_pb2.PassedOver(model=each.name, backend=each.backend, failure=errors.as_item(error))
        for each, error in found
    ]


def _span(seconds: float) -> Duration:
    return span(timedelta(seconds=seconds))
