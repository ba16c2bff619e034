"""How does an agent behave, as far as storage must know? Kept as one document, and read once."""

import re
import sys
from datetime import timedelta
from functools import lru_cache
from typing import Any

import orjson
from google.protobuf.json_format import MessageToDict, ParseDict

from kit.errors import InvalidField
from parley.storage.v1.manners_pb2 import Manners

SESSION_SECONDS = 3600
NONE = Manners()
COMMAND = re.compile(r"[a-z0-9_]{1,32}")
LONGEST_COMMAND = 4096
LARGEST = 32_768


def check(manners: Manners) -> None:
    """What the contract's own limits cannot say: of a map they bound the names only."""
    for name, text in manners.commands.items():
        if not COMMAND.fullmatch(name):
            raise InvalidField([("agent.manners.commands", "has a name that is not of 1 to 32 of a-z, 0-9 and _")])
        if not text.strip() or len(text) > LONGEST_COMMAND:
            raise InvalidField(
                [("agent.manners.commands", f"has a text that is not of 1 to {LONGEST_COMMAND} letters")]
            )
    if len(stored(manners) or "") > LARGEST:
        raise InvalidField([("agent.manners", f"is larger than {LARGEST} characters, and it comes with every turn")])


def stored(manners: Manners) -> str | None:
    """As it is kept; nothing when nothing is set."""
    document: dict[str, Any] = MessageToDict(manners, preserving_proto_field_name=True)
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode() if document else None


@lru_cache(maxsize=1024)
def read(document: str | None) -> Manners:
    """As the contract says it. A field that a newer version wrote is not ours to know. Not to be changed."""
    return ParseDict(orjson.loads(document), Manners(), ignore_unknown_fields=True) if document else NONE


def session(document: str | None) -> timedelta:
    return timedelta(seconds=read(document).session_seconds or SESSION_SECONDS)


def failures_before_hand_off(manners: Manners) -> int:
    """More than there will ever be, when none asks for a human."""
    return manners.failures_before_hand_off or sys.maxsize
