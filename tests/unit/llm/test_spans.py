"""Is every attempt at a model server seen in a trace, and nothing of what was said?"""

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from kit import tracing
from kit.errors import ModelUnavailable
from llm_service.domain.record import Record
from parley.llm.v1 import prompt_pb2
from tests.unit.llm.scripted import Scripted, Slept, calls_of

CANARY = "canary-4711"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    spans = InMemorySpanExporter()
    tracing.configure("", "llm", exporter=spans)
    try:
        yield spans
    finally:
        tracing.close()


async def test_an_answer_after_a_failure_is_two_spans_that_tell_the_attempt_and_nothing_of_the_text(
    exporter: InMemorySpanExporter,
) -> None:
    prompt = prompt_pb2.Prompt(messages=[prompt_pb2.PromptMessage(text=CANARY)])
    backend = Scripted(ModelUnavailable(CANARY), f"{CANARY} yes", "a|b|end")
    calls = calls_of(backend, Slept())

    await calls.generate(prompt, Record(), seconds=60)
    async for _ in calls.stream(prompt, Record(), seconds=60):
        pass
    tracing.close()

    spans = exporter.get_finished_spans()
    assert [span.name for span in spans] == ["llm.attempt"] * 3
    assert [dict(span.attributes or {}) for span in spans] == [
        {"backend": "scripted", "model": "m", "attempt": number} for number in (1, 2, 1)
    ]
    assert CANARY not in "".join(span.to_json() for span in spans)
