"""How do spans leave the process? By OTLP, and never so that a collector that is away keeps a process from ending."""

import time
from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

EXPORT_SECONDS = 3.0  # for one batch with all its tries
LAST_SECONDS = 3.0  # for what is left when the process ends


class Hurried(SpanExporter):
    """An exporter that gives up in time when the process ends; at once when the collector took nothing last time."""

    def __init__(self, inner: SpanExporter, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._monotonic = monotonic
        self._failed = False
        self._until = float("inf")
        self._is_shut = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self._monotonic() >= self._until:
            return SpanExportResult.FAILURE
        taken = self._inner.export(spans)
        self._failed = taken is not SpanExportResult.SUCCESS
        return taken

    def hurry(self) -> None:
        """The process ends."""
        self._until = self._monotonic() + (0.0 if self._failed else LAST_SECONDS)
        if self._failed:
            self.shutdown()  # Ends a pause between two tries, too.

    def shutdown(self) -> None:
        if not self._is_shut:
            self._is_shut = True
            self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._inner.force_flush(timeout_millis)
