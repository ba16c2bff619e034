"""How does Telegram keep a bot's updates? In one queue, for its webhook or for whoever asks, and never for both.

https://core.telegram.org/bots/api#getting-updates · What is confirmed is forgotten; what is not comes again.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson

from channels.payload import integer
from sandbox.provider import Kept, Later, Reply
from sandbox.providers.telegram_media import refused

MOST_AT_ONCE, LONGEST_WAIT_SECONDS = 100, 50
# Without being named these are not told: https://core.telegram.org/bots/api#getupdates
UNASKED = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
_WITH_WEBHOOK = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
_BY_ANOTHER = "terminated by other getUpdates request; make sure that only one bot instance is running"
_BY_WEBHOOK = "terminated by setWebhook request"
_NUMBER = re.compile(r"-?[0-9]{1,18}", re.ASCII)

Update = dict[str, Any]


@dataclass
class Updates:
    """One bot's."""

    webhook: dict[str, Any] = field(default_factory=dict)  # what setWebhook was given; empty when none is set
    waiting: list[Update] = field(default_factory=list)  # that nobody has confirmed, the oldest first
    confirmed: list[int] = field(default_factory=list)
    asked: list[Mapping[str, Any]] = field(default_factory=list)  # each getUpdates
    allowed: tuple[str, ...] = ()  # as said last; none: all but those that must be named
    _newest: int = 0  # of those that ask

    def add(self, update: Update) -> None:
        """Somebody did something. What the bot does not want to know is forgotten at once."""
        kind = next((each for each in update if each != "update_id"), "")
        if kind in self.allowed if self.allowed else kind not in UNASKED:
            self.waiting.append(update)

    def kept(self, update: Update) -> Kept:
        """What a person typed: asked for, and confirmed when more is asked for."""
        return Kept("asked for by getUpdates", lambda: self.add(update), lambda: update["update_id"] in self.confirmed)

    def ask(self, asked: Mapping[str, Any]) -> Reply | Later:
        """getUpdates. Of two who ask, the one that came first is cut off."""
        self.asked.append(asked)
        if self.webhook:
            return refused(409, f"Conflict: {_WITH_WEBHOOK}")
        self._newest += 1
        mine, offset = self._newest, _number(asked.get("offset"))
        limit = min(max(_number(asked.get("limit")) or MOST_AT_ONCE, 1), MOST_AT_ONCE)
        if "allowed_updates" in asked:
            self.allowed = tuple(map(str, listed(asked["allowed_updates"])))
        self._confirm(offset)

        def is_ready() -> bool:
            return bool(self.waiting) or mine != self._newest or bool(self.webhook)

        def answer() -> Reply:
            if self.webhook or mine != self._newest:
                return refused(409, f"Conflict: {_BY_WEBHOOK if self.webhook else _BY_ANOTHER}")
            return done(self.waiting[:limit])

        wait = min(max(_number(asked.get("timeout")), 0), LONGEST_WAIT_SECONDS)
        return Later(wait, is_ready, answer) if wait else answer()

    def methods(self) -> dict[str, Callable[[Mapping[str, Any]], Reply | Later]]:
        """Those of the Bot API, each by its name in small letters."""
        return {
            "getupdates": self.ask,
            "setwebhook": self._change,
            "deletewebhook": lambda asked: self._change({**asked, "url": ""}),
            "getwebhookinfo": lambda _: done(self._told()),
        }

    def set_webhook(self, asked: Mapping[str, Any]) -> None:
        """Where updates go from now on; nowhere, when it has no url."""
        self.webhook = dict(asked) if asked.get("url") else {}
        if "allowed_updates" in asked:
            self.allowed = tuple(map(str, listed(asked["allowed_updates"])))
        if asked.get("drop_pending_updates") in (True, "true", "True"):
            self.waiting.clear()

    def _change(self, asked: Mapping[str, Any]) -> Reply:
        """The real one takes https alone, and this one the gateway of this machine."""
        url = str(asked.get("url", ""))
        if url and urlsplit(url).scheme not in ("http", "https"):
            return refused(400, "Bad Request: bad webhook: Failed to resolve host: Name or service not known")
        self.set_webhook({**asked, "url": url})
        return done(True)

    def _told(self) -> dict[str, Any]:
        url, waiting = self.webhook.get("url", ""), len(self.waiting)
        told = {"url": url, "has_custom_certificate": False, "pending_update_count": waiting}
        return told | ({"allowed_updates": list(self.allowed)} if self.allowed else {})

    def _confirm(self, offset: int) -> None:
        """All before it; a number below zero counts from the end, and forgets all before that."""
        if offset < 0:
            gone, self.waiting = self.waiting[:offset], self.waiting[offset:]
        else:
            gone = [each for each in self.waiting if each["update_id"] < offset]
            self.waiting = [each for each in self.waiting if each["update_id"] >= offset]
        self.confirmed += [each["update_id"] for each in gone]


def done(result: Any) -> Reply:
    """Telegram's answer to what it did."""
    return Reply(200, {"ok": True, "result": result})


def listed(stated: object) -> list[Any]:
    """In JSON it is a list, in a form it is written as one."""
    return list(_elements(stated))


def _number(stated: object) -> int:
    """In JSON it is one, in a form it is written as one."""
    is_written = isinstance(stated, str) and _NUMBER.fullmatch(stated)
    return int(str(stated)) if is_written else integer(stated) or 0


def _elements(stated: object) -> Iterator[Any]:
    if isinstance(stated, str):
        try:
            stated = orjson.loads(stated) if stated.startswith("[") else ()
        except orjson.JSONDecodeError:
            stated = ()
    if isinstance(stated, list | tuple):
        yield from stated
