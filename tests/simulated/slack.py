"""What does Slack's Web API say when it is asked to post? chat.postMessage, auth.test, and its ways to refuse.

`python -m tests.simulated.slack --port 8083 --mode ok`. Modes: ok · slow:S · lost (posted, then the connection drops) ·
hang · broken (posted, and internal_error) · down (503) · throttled:S · gone (channel_not_found) · revoked · long.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from tests.simulated.standing import main
from tests.simulated.wire import HttpServer, Reply, Request, Send, Sends, answer, mode_of, now

BOT_TOKEN = "xoxb-slack-bot-token-for-tests-only"
SIGNING_SECRET = "slack-signing-secret-for-tests-only"
LONGEST_TEXT = 40_000  # characters; what is longer is cut
_CHANNEL = re.compile(r"[CDGUW][A-Z0-9]+")
_TS = re.compile(r"[0-9]+\.[0-9]{6}")
_LINK = re.compile(r"<https?://[^<>|]+\|([^<>]+)>")
_REFUSALS = {
    "down": (503, "service_unavailable"),
    "gone": (200, "channel_not_found"),
    "revoked": (200, "token_revoked"),
    "long": (200, "msg_too_long"),
}


@dataclass
class Slack:
    """One app in one workspace. `posted` keeps each message as it was asked for, by its ts."""

    mode: str = "ok"
    port: int = 0
    log: Path | None = None
    bot_token: str = BOT_TOKEN
    requests: int = 0
    refused: int = 0
    signals: list[tuple[str, str]] = field(default_factory=list)  # thread, status
    edited: list[tuple[str, str]] = field(default_factory=list)  # ts, text, in their order
    deleted: list[str] = field(default_factory=list)
    posted: dict[str, dict[str, Any]] = field(init=False, default_factory=dict)
    sends: Sends = field(init=False)
    server: HttpServer = field(init=False)

    def __post_init__(self) -> None:
        self.sends = Sends(self.log)
        self.server = HttpServer(self._answer, self.port)

    @property
    def base_url(self) -> str:
        return f"{self.server.base_url}/api"

    async def start(self) -> None:
        await self.server.listen()

    async def stop(self) -> None:
        await self.server.refuse()
        self.sends.close()

    def _answer(self, request: Request) -> Reply:
        self.requests += 1
        word, number = mode_of(self.mode)
        if word == "hang":
            return Reply(0)
        if request.headers.get("authorization") != f"Bearer {self.bot_token}":
            return self._refused("invalid_auth")
        if request.path == "/api/auth.test":
            return answer(
                200,
                {"ok": True, "team": "Acme", "team_id": "T0SIMULATE", "user_id": "U0SIMULATE", "bot_id": "B0SIMULATE"},
            )
        if request.path == "/api/assistant.threads.setStatus":
            asked = _asked(request)
            self.signals.append((f"{asked['channel_id']}:{asked['thread_ts']}", asked["status"]))
            return answer(200, {"ok": True})
        methods = {"/api/chat.update": self._update, "/api/chat.delete": self._delete}
        if request.path in methods:
            return methods[request.path](_asked(request), word, number)
        if request.path in ("/api/conversations.history", "/api/conversations.replies"):
            return self._history(dict(parse_qsl(request.query)))
        if request.path != "/api/chat.postMessage":
            return self._refused("unknown_method")
        return self._post(_asked(request), word, number)

    def _post(self, asked: dict[str, Any], word: str, number: float) -> Reply:
        if word in _REFUSALS:
            status, code = _REFUSALS[word]
            return self._refused(code, status)
        if word == "throttled":
            return self._refused("ratelimited", 429, {"retry-after": str(int(number))})
        wrong = _wrong(asked)
        if wrong:
            return self._refused(wrong)
        ts = f"{int(now())}.{len(self.sends.all) + 1:06d}"
        thread_ts = asked.get("thread_ts")
        place = f"{asked['channel']}:{thread_ts}" if thread_ts else str(asked["channel"])
        self.posted[ts] = asked
        self.sends.add(Send(now(), place, "app", _read(asked["text"][:LONGEST_TEXT]), ts))
        if word == "lost":
            return Reply(0, hangs_up=True)
        if word == "broken":
            return self._refused("internal_error", 500)
        message = {"type": "message", "bot_id": "B0SIMULATE", "user": "U0SIMULATE", "text": asked["text"], "ts": ts}
        content = {"ok": True, "channel": asked["channel"], "ts": ts, "message": message}
        return answer(200, content, after_seconds=number if word == "slow" else 0.0)

    def _update(self, asked: dict[str, Any], word: str, number: float) -> Reply:
        known = self.posted.get(asked["ts"])
        if word == "throttled":
            return self._refused("ratelimited", 429, {"retry-after": str(int(number))})
        if word == "uneditable" or (known and known["channel"] != asked["channel"]):
            return self._refused("cant_update_message")
        if known is None:
            return self._refused("message_not_found")
        known.update(asked)
        self.edited.append((asked["ts"], _read(asked["text"])))
        if word == "lost":
            return Reply(0, hangs_up=True)
        return answer(200, {"ok": True, "channel": asked["channel"], "ts": asked["ts"], "text": asked["text"]})

    def _delete(self, asked: dict[str, Any], _word: str, _number: float) -> Reply:
        if self.posted.pop(asked["ts"], None) is None:
            return self._refused("message_not_found")
        self.deleted.append(asked["ts"])
        return answer(200, {"ok": True, "channel": asked["channel"], "ts": asked["ts"]})

    def _history(self, asked: dict[str, str]) -> Reply:
        """Of a thread: what stands in it."""
        here = [(ts, each) for ts, each in self.posted.items() if each["channel"] == asked["channel"]]
        within = [(ts, each) for ts, each in here if each.get("thread_ts", "") == asked.get("ts", "")]
        shown = [{"ts": ts, "text": each["text"], "metadata": each.get("metadata", {})} for ts, each in within]
        return answer(200, {"ok": True, "messages": shown[-int(asked["limit"]) :]})

    def shown(self, channel: str) -> list[str]:
        """What stands there now, oldest first."""
        return [_read(each["text"]) for each in list(self.posted.values()) if each["channel"] == channel]

    def _refused(self, code: str, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
        self.refused += 1
        return answer(status, {"ok": False, "error": code}, headers)


def _asked(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type", "").startswith("application/json"):
        return dict(json.loads(request.body))
    return dict(parse_qsl(request.body.decode()))


def _wrong(asked: dict[str, Any]) -> str:
    """Slack's word for what is wrong with a request; "" when nothing is."""
    metadata = asked.get("metadata", {"event_type": "none", "event_payload": {}})
    if not _CHANNEL.fullmatch(str(asked.get("channel", ""))):
        return "channel_not_found"
    if not asked.get("text"):
        return "no_text"
    if "thread_ts" in asked and not _TS.fullmatch(str(asked["thread_ts"])):
        return "invalid_arguments"
    return "" if set(metadata) == {"event_type", "event_payload"} else "invalid_metadata_format"


def _read(text: str) -> str:
    """As a person reads it: a bracket that was neither escaped nor a link's would have called somebody."""
    text = _LINK.sub(r"\1", text)
    assert "<" not in text, "an unescaped bracket is markup"
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


if __name__ == "__main__":
    main(Slack, about=__doc__, path="/api", bot_token=BOT_TOKEN)
