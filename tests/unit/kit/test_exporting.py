"""Does a collector that is away, or that hangs, keep no process from ending, and does one that answers get all?"""

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from kit.exporting import LAST_SECONDS, Hurried

FAILURE, SUCCESS = SpanExportResult.FAILURE, SpanExportResult.SUCCESS


class Collector(SpanExporter):
    """Takes batches or not, and takes its time."""

    def __init__(self, takes: SpanExportResult = SUCCESS) -> None:
        self.takes, self.seconds, self.now = takes, 0.0, 100.0
        self.asked = self.shut = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.asked, self.now = self.asked + 1, self.now + self.seconds
        return self.takes

    def shutdown(self) -> None:
        self.shut += 1


def hurried(collector: Collector) -> Hurried:
    return Hurried(collector, monotonic=lambda: collector.now)


def test_one_that_answers_gets_what_is_left() -> None:
    collector = Collector()
    exporter = hurried(collector)
    exporter.hurry()
    assert [exporter.export([]) for _ in range(5)] == [SUCCESS] * 5
    exporter.shutdown()
    assert (collector.asked, collector.shut) == (5, 1)


def test_one_that_took_nothing_last_is_not_asked_again_and_its_tries_end() -> None:
    collector = Collector(FAILURE)
    exporter = hurried(collector)
    exporter.export([])
    exporter.hurry()
    assert collector.shut == 1
    assert exporter.export([]) is FAILURE
    exporter.shutdown()
    assert (collector.asked, collector.shut) == (1, 1)


def test_one_that_came_back_is_asked_again() -> None:
    collector = Collector(FAILURE)
    exporter = hurried(collector)
    exporter.export([])
    collector.takes = SUCCESS
    exporter.export([])
    exporter.hurry()
    assert exporter.export([]) is SUCCESS


def test_one_that_became_slow_is_given_up_in_time() -> None:
    collector = Collector()
    exporter = hurried(collector)
    exporter.hurry()
    collector.seconds = LAST_SECONDS / 2
    assert [exporter.export([]) for _ in range(5)] == [SUCCESS, SUCCESS, FAILURE, FAILURE, FAILURE]
