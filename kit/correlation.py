"""Which request is this work part of? One id follows it through every process, log line and row."""

import re
from contextvars import ContextVar
from types import MappingProxyType

from kit.ids import new_id

METADATA_KEY = "x-correlation-id"

correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")
fields: ContextVar[MappingProxyType[str, object]] = ContextVar("log_fields", default=MappingProxyType({}))

# It travels as an HTTP/2 header, which takes printable ASCII only, and it stands in rows of 64 characters.
_acceptable = re.compile(r"[A-Za-z0-9._:\-]{1,64}").fullmatch


def bind(correlation: str, **more: object) -> None:
    """Ties the current task, and the tasks that it starts, to a request. The fields stand in each of its log lines."""
    correlation_id.set(correlation)
    fields.set(MappingProxyType(more))


def add(**more: object) -> None:
    """More fields for the current task's log lines."""
    fields.set(MappingProxyType({**fields.get(), **more}))


def accept(offered: str) -> str:
    """The id that a caller offers, when it is fit to travel and to be logged; else a fresh one."""
    return offered if _acceptable(offered) else new_id()
