"""Where does a bot's session at Discord's Gateway stand? What another process needs to go on with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import orjson

from channels.payload import content, integer, mapping, string

LONGEST = 500
_TOKEN = re.compile(r"[A-Za-z0-9_.-]{1,200}", re.ASCII)
_URL = re.compile(r"wss?://[!-~]{1,400}", re.ASCII)


def is_token(text: str) -> bool:
    """Whether it looks like a bot's token."""
    return bool(_TOKEN.fullmatch(text))


@dataclass(frozen=True, slots=True)
class Session:
    """Empty when there is none."""

    id: str = ""
    url: str = ""  # where it is resumed
    seq: int = 0  # the last dispatch that was heard
    me: str = ""  # the bot's user

    @classmethod
    def read(cls, cursor: str) -> Self:
        """As it was written; whatever cannot be read is no session."""
        told = content(cursor.encode())
        session = cls(
            string(told.get("id")), string(told.get("url")), integer(told.get("seq")) or 0, str(told.get("me"))
        )
        return session if session.id and _URL.fullmatch(session.url) else cls()

    def begun(self, ready: Mapping[str, Any]) -> "Session":
        """As Discord says it at its beginning."""
        me, url = string(mapping(ready.get("user")).get("id")), string(ready.get("resume_gateway_url"))
        number = string(ready.get("session_id"))
        if not _URL.fullmatch(url) or not 0 < len(number) <= LONGEST:
            return Session(seq=self.seq, me=me)
        return Session(number, url, self.seq, me)

    def at(self, seq: int) -> "Session":
        """With one more dispatch."""
        return replace(self, seq=seq)

    def written(self, seq: int) -> str:
        """For a cursor that stands behind this dispatch; "-" where there is nothing to go on with."""
        if not self.id:
            return "-"
        return orjson.dumps({"id": self.id, "url": self.url, "seq": max(0, seq), "me": self.me}).decode()
