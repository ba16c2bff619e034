"""How is one message followed through five processes? By spans, when an exporter is configured; else at no cost."""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

    from kit.exporting import Hurried


@dataclass(slots=True)
class _Process:
    """OpenTelemetry has one provider per process by its own design; this is where ours is kept."""

    provider: "TracerProvider | None" = None
    exporter: "Hurried | None" = None


_process = _Process()


def configure(endpoint: str, service: str, *, sampled: float = 1.0, exporter: "SpanExporter | None" = None) -> None:
    """Starts to record spans for the exporter at the endpoint. Without an endpoint nothing is even imported."""
    if not endpoint and exporter is None:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    from kit.exporting import EXPORT_SECONDS, Hurried

    resource = Resource.create({"service.name": f"parley-{service}", "service.namespace": "parley"})
    provider = TracerProvider(resource=resource, sampler=ParentBasedTraceIdRatio(sampled))
    chosen = exporter or OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)
    hurried = Hurried(chosen)
    provider.add_span_processor(BatchSpanProcessor(hurried))
    _process.provider, _process.exporter = provider, hurried


def close() -> None:
    """Sends what is recorded and stops; a collector that does not answer is not waited for."""
    provider, exporter = _process.provider, _process.exporter
    _process.provider = _process.exporter = None
    if provider is not None and exporter is not None:
        exporter.hurry()
        provider.shutdown()


def traceparent() -> str:
    """The current span as W3C writes it, to be stored or sent along; "" when there is none."""
    if _process.provider is None:
        return ""
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def linked_span(name: str, parent: str = "", **attributes: str | int | float | bool) -> AbstractContextManager[None]:
    """A span that continues the trace of what was stored earlier: across a queue, the parent is long gone."""
    provider = _process.provider
    return nullcontext() if provider is None else _recorded(provider, name, parent=parent, attributes=attributes)


def span(name: str, **attributes: str | int | float | bool) -> AbstractContextManager[object]:
    """A span below the current one that does not become the current one, so that a generator may hold it.

    What an error says is not recorded: it may quote a stranger.
    """
    provider = _process.provider
    if provider is None:
        return nullcontext()
    tracer = provider.get_tracer("parley")
    return tracer.start_span(name, attributes=attributes, record_exception=False, set_status_on_exception=False)


@contextmanager
def _recorded(
    provider: "TracerProvider", name: str, *, parent: str, attributes: dict[str, str | int | float | bool]
) -> Iterator[None]:
    from opentelemetry.trace import Link, get_current_span
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
    links = [Link(get_current_span(context).get_span_context())] if context is not None else []
    tracer = provider.get_tracer("parley")
    with tracer.start_as_current_span(name, context=context, links=links, attributes=attributes):
        yield


def server_interceptors() -> list[Any]:
    """What the gRPC server needs to record spans. Health is left out: OpenTelemetry's wrapper breaks its Watch."""
    if _process.provider is None:
        return []
    from opentelemetry.instrumentation.grpc import aio_server_interceptor, filters

    health = filters.any_of(filters.service_prefix("grpc.health"), filters.service_prefix("grpc.reflection"))
    interceptor: Any = aio_server_interceptor
    return [interceptor(_process.provider, filter_=filters.negate(health))]


def client_interceptors() -> list[Any]:
    """What a gRPC channel needs to record spans and to send their ids along."""
    if _process.provider is None:
        return []
    from opentelemetry.instrumentation.grpc import aio_client_interceptors

    interceptors: Any = aio_client_interceptors
    return [*interceptors(_process.provider), _CancelSafeUnary(), _CancelSafeStream()]


# OpenTelemetry's client interceptors await the call, and then a cancel ends it here but not at the server
# (open-telemetry/opentelemetry-python-contrib#3271). These stand innermost and pass the cancel on. One class for each
# kind: grpc.aio registers a class for the first kind only that it implements.


class _CancelSafeUnary(grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await _cancel_with_us(await continuation(client_call_details, request))


class _CancelSafeStream(grpc.aio.StreamUnaryClientInterceptor):
    async def intercept_stream_unary(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return await _cancel_with_us(await continuation(client_call_details, request_iterator))


async def _cancel_with_us(call: Any) -> Any:
    try:
        await call.code()
    except asyncio.CancelledError:
        call.cancel()
        raise
    return call
