"""How does a process tell what it does? One JSON object a line on stderr, in which only known fields are shown."""

import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TextIO
from weakref import WeakSet

import orjson
import structlog

from kit import correlation, redaction, tracing
from kit.settings import Settings

Event = MutableMapping[str, Any]


class _Logger:
    """structlog's own lazy logger is bound anew at each call, which costs more than most lines that are not even shown.

    This one keeps each method once it was bound, until the process is configured again.
    """

    def __init__(self, component: str) -> None:
        self._component = component

    def __getattr__(self, method: str) -> Any:
        bound = getattr(structlog.get_logger(component=self._component).bind(), method)
        if structlog.is_configured():
            self.__dict__[method] = bound
            _process.loggers.add(self)
        return bound

    def forget(self) -> None:
        """What comes next is said the way that is configured now."""
        self.__dict__ = {"_component": self._component}


@dataclass(frozen=True, slots=True)
class _Process:
    """structlog has one configuration per process by its own design; these are the loggers that are bound to it."""

    loggers: WeakSet[_Logger] = field(default_factory=WeakSet)


_process = _Process()


def get(component: str) -> Any:
    """A logger. Say `log.info("message.accepted", message_id=…)`: a fixed event name, then fields."""
    return _Logger(component)


def is_worth_a_line(times: int) -> bool:
    """Of what fails again and again the first, second, fourth, eighth … is said: enough to see that it goes on."""
    return times & (times - 1) == 0


def configure(settings: Settings, service: str, *, stream: TextIO | None = None) -> None:
    """Sends every log line of the process, our own and those of libraries, the same way."""
    out = stream or sys.stderr
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    console = structlog.dev.ConsoleRenderer(colors=out.isatty() and not settings.no_color)
    renderer = console if settings.log_format == "console" else _json
    structlog.configure(
        processors=[_about(service), redaction.redact, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Lines(out),
        cache_logger_on_first_use=False,
    )
    rebind()
    root = logging.getLogger()
    root.handlers[:] = [_Foreign()]
    root.setLevel(max(level, logging.WARNING))


def rebind() -> None:
    """Whatever loggers were bound to is no more: the next line of each is said the way that is configured then."""
    for logger in _process.loggers:
        logger.forget()


class _Lines(structlog.WriteLogger):
    """A disk that is full, or a reader that is gone, costs the line and nothing else: work goes on around it."""

    def msg(self, message: str) -> None:
        with suppress(OSError, ValueError):
            super().msg(message)

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


def _about(service: str) -> structlog.types.Processor:
    def add(_logger: Any, method: str, event: Event) -> Event:
        trace = tracing.traceparent()
        return {
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": method,
            "event": event.pop("event", ""),
            "component": event.pop("component", service),
            "service": service,
            "correlation_id": event.pop("correlation_id", "") or correlation.correlation_id.get(),
            "trace_id": trace.split("-")[1] if trace else "",
            **correlation.fields.get(),
            **event,
        }

    return add


def _json(_logger: Any, _method: str, event: Event) -> str:
    return orjson.dumps(event, default=_plain).decode()


def _plain(value: object) -> object:
    return value.total_seconds() if isinstance(value, timedelta) else str(value)


class _Foreign(logging.Handler):
    """Lines of libraries. Their text is foreign: it may quote a URL, a statement or a person, so it is not shown."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger(component=record.name)
        # With arguments apart, the text is a constant of the library's source.
        template = record.msg if record.args and isinstance(record.msg, str) else ""
        place = f"{record.module}:{record.lineno}"
        log.log(record.levelno, "library.said", template=template, place=place, exc_info=record.exc_info)
