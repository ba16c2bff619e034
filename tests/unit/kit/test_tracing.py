"""Is one trace seen across services when an exporter is set, and nothing at all when none is?"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from kit import tracing
from tests.unit.kit.probe import SECONDS, Probe, ProbeRequest, meshed, seen, served

ROOT = Path(__file__).parents[3]


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracing.configure("", "probe", exporter=exporter)
    yield exporter
    tracing.close()


async def test_a_call_is_one_trace_from_client_to_handler_and_keeps_the_traps_closed(
    tmp_path: Path, spans: InMemorySpanExporter
) -> None:
    inside: list[str] = []

    async def look(request: Any, _context: Any) -> Any:
        inside.append(tracing.traceparent())
        return seen(request)

    async with meshed(tmp_path, Probe(look)) as stub:
        with tracing.linked_span("work"):
            outside = tracing.traceparent()
            answer = await stub.Say(ProbeRequest(text="a"), timeout=SECONDS)
            streamed = [each async for each in stub.Watch(ProbeRequest(), timeout=SECONDS)]
    assert (answer.text, len(streamed)) == ("a", 3)
    assert inside[0].split("-")[1] == outside.split("-")[1]
    assert inside[0] != outside


async def test_health_watch_works_while_spans_are_recorded(tmp_path: Path, spans: InMemorySpanExporter) -> None:
    async with served(tmp_path) as (_, port), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=SECONDS)
        assert isinstance(await watch.read(), health_pb2.HealthCheckResponse)
        watch.cancel()


async def test_a_cancel_stops_the_handler_while_spans_are_recorded(tmp_path: Path, spans: InMemorySpanExporter) -> None:
    started, stopped = asyncio.Event(), asyncio.Event()

    async def linger(_request: Any, _context: Any) -> Any:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    async with meshed(tmp_path, Probe(linger)) as stub:
        asked = asyncio.ensure_future(stub.Say(ProbeRequest(), timeout=60))
        await asyncio.wait_for(started.wait(), SECONDS)
        asked.cancel()
        await asyncio.wait_for(stopped.wait(), SECONDS)


def test_a_span_continues_the_trace_of_what_was_stored(spans: InMemorySpanExporter) -> None:
    with tracing.linked_span("accept"):
        stored = tracing.traceparent()
    with tracing.linked_span("turn", stored, turn_id="t1"):
        later = tracing.traceparent()
    assert stored.split("-")[1] == later.split("-")[1]


def test_without_an_exporter_nothing_is_recorded_or_even_imported() -> None:
    code = (
        "import sys; from kit import process, serving, calling, tracing\n"
        "tracing.configure('', 'probe')\n"
        "with tracing.linked_span('x', ''): assert tracing.traceparent() == ''\n"
        "assert tracing.client_interceptors() == tracing.server_interceptors() == []\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)
