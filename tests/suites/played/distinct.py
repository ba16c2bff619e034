"""How are captured bodies told apart when all are played at one gateway? Each gets provider ids of its own.

Captures of one channel share an id, as the documentation that they were written after does.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from storage_service.domain.moved_chats import MOVED
from tests.suites.channels.golden import Capture

_SID = re.compile(r"(?:SM|MM)[0-9a-f]{32}")
_NUMBER = re.compile(r'(?:(?<=message_id":)|(?<=message_id": ))42\b|^42(?=$|:)')
Made = Callable[[str, bytes], str]


def _sid(id_: str, seed: bytes) -> str:
    return id_[:2] + seed.hex()[:32]


def _ts(ts: str, seed: bytes) -> str:
    return f"{ts[:10]}.{_number(seed) % 10**6:06d}"


def _snowflake(id_: str, seed: bytes) -> str:
    return f"{id_[:13]}{_number(seed) % 10**6:06d}"


def _message_number(_id: str, seed: bytes) -> str:
    return str(_number(seed) % 10**9 + 100)


def _number(seed: bytes) -> int:
    return int.from_bytes(seed[:8], "big")


# What is an id of the channel's, and how another one of the same form is made.
_IDS: Mapping[str, tuple[re.Pattern[str], Made]] = {
    "sms": (_SID, _sid),
    "whatsapp": (_SID, _sid),
    "slack": (re.compile(r"[0-9]{10}\.[0-9]{6}"), _ts),
    "telegram": (_NUMBER, _message_number),
    "discord": (re.compile(r"15[0-9]{17}"), _snowflake),
}
_NONE: tuple[re.Pattern[str], Made] = (re.compile(r"$^"), lambda id_, _seed: id_)


@dataclass(frozen=True, slots=True)
class Played:
    """A captured body with ids of its own, and what it says."""

    capture: Capture
    body: bytes
    messages: tuple[Mapping[str, Any], ...]

    def said(self) -> dict[tuple[str, str], str]:
        """Its texts, by chat and provider's id; that a chat has moved is said by two messages, and known as one. What
        takes a message back says nothing itself."""
        moved = [each["previous_chat_id"] for each in self.messages if "previous_chat_id" in each]
        others = [each for each in self.messages if not {"previous_chat_id", "takes_back"} & each.keys()]
        said = {(each["chat_id"], each["provider_message_id"]): each.get("text", "") for each in others}
        return {**said, **{(chat_id, MOVED): "" for chat_id in moved}}


def distinct(capture: Capture, copy: int = 0) -> Played:
    """The capture under its own ids; another `copy` has others again."""
    pattern, made = _IDS.get(capture.channel, _NONE)

    def renamed(found: re.Match[str]) -> str:
        return made(found[0], sha256(f"{capture.name} {copy} {found[0]}".encode()).digest())

    def again(value: object) -> object:
        return pattern.sub(renamed, value) if isinstance(value, str) else value

    body = pattern.sub(renamed, capture.webhook.body.decode("latin-1")).encode("latin-1")
    messages = [{name: again(value) for name, value in each.items()} for each in capture.expect.get("messages", [])]
    moved = replace(capture, webhook=replace(capture.webhook, body=body))
    return Played(moved, body, tuple(messages))
