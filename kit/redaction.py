"""What may a log line show? Numbers, times, and texts under names that are on the list; everything else is hidden.

It is a list of what is allowed, so that a field which nobody thought about stays hidden.
"""

import re
import sys
import traceback
from collections.abc import MutableMapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from kit.errors import ParleyError

HIDDEN = "[hidden]"

# Ours, or of a bounded set. Nothing here can hold a secret, or what a person wrote.
SHOWN = frozenset(
    {
        "timestamp",
        "sweep",
        "level",
        "event",
        "component",
        "service",
        "correlation_id",
        "trace_id",
        "span_id",
        "tenant",
        "account",
        "channel",
        "kind",
        "state",
        "reason",
        "code",
        "status",
        "outcome",
        "result",
        "method",
        "rpc",
        "backend",
        "model",
        "provider",
        "provider_code",
        "finish_reason",
        "worker",
        "owner",
        "path",
        "place",
        "template",
        "listening",
        "database",
        "data_path",
        "version",
        "from_revision",
        "to_revision",
        "setting",
        "source",
        "signal",
        "scope",
        "scopes",
        "policy",
        "decision",
        "fallback",
        "queue",
        "frames",
        "name",
        "names",
        "host",
        "error_reason",
        "error_type",
        "exception",
        "message_kind",
        "direction",
        "fix",
        "check",
        "services",
        "grpc_code",
        "rule",
        "category",
        "action",
        "side",
    }
)
SHOWN_ENDINGS = ("_id", "_ids", "_at", "_seconds", "_name")

# Ids that are, or hold, a person's phone number or account.
MASKED = frozenset(
    {"chat_id", "sender_id", "recipient_id", "user_id", "provider_user_id", "phone", "number", "recipient", "sender"}
)

_MOST = 300
_PHONE = re.compile(r"\+\d{7,15}")
_FRAMES = 8


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The last stop of every line before it is rendered."""
    problem = _problem(event.pop("exc_info", None))
    if problem is not None:
        event["exception"] = described(problem)
    for name, value in event.items():
        if name != "exception":
            event[name] = _shown(name, value)
    return event


def described(error: BaseException) -> str:
    """An error's kind and where it came from, without its text unless the text is ours: texts quote values."""
    said = f": {error.message}" if isinstance(error, ParleyError) else ""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    places = " < ".join(f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    return f"{type(error).__name__}{said}" + (f" at {places}" if places else "")


def _problem(info: object) -> BaseException | None:
    if isinstance(info, BaseException):
        return info
    if isinstance(info, tuple):
        return info[1] if isinstance(info[1], BaseException) else None
    return sys.exception() if info else None


def _short(filename: str) -> str:
    return "/".join(filename.split("/")[-2:])


def _shown(name: str, value: object) -> object:
    if value is None or isinstance(value, bool | int | float | datetime | timedelta | UUID):
        return value if name not in MASKED else HIDDEN
    if isinstance(value, Enum):
        return value.name
    if name in MASKED:
        text = str(value)
        return f"…{text[-2:]}" if len(text) > 4 else "…"
    if name == "error" and isinstance(value, str) and value.isidentifier():
        return value  # The name of a kind of error, not what one said.
    if name not in SHOWN and not name.endswith(SHOWN_ENDINGS):
        return HIDDEN
    if isinstance(value, list | tuple | set | frozenset):
        return [_text(str(each)) for each in list(value)[:50]]
    return _text(str(value))


def _text(value: str) -> str:
    short = value if len(value) <= _MOST else value[:_MOST] + "…"
    return _PHONE.sub(lambda found: f"…{found[0][-2:]}", short) if "+" in short else short
