"""What does Telegram's Bot API say when it is asked? sendMessage, getMe, the webhook's methods, and ways to refuse.

`python -m tests.simulated.telegram --port 8082 --mode ok`. Modes: ok · slow:S · lost (taken, then the connection
drops) · hang · down (502) · throttled:S · blocked · gone (chat not found) · moved (the group became a supergroup) ·
conflict (somebody else asks for the updates, too).
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from sandbox.provider import Later
from sandbox.providers.telegram_updates import Updates
from tests.simulated.standing import main
from tests.simulated.wire import HttpServer, Reply, Request, Send, Sends, answer, form_of, mode_of, now

BOT_TOKEN = "123456789:telegram-bot-token-for-tests-only"
LONGEST_TEXT = 4096  # UTF-16 units
LONGEST_POLL_SECONDS = 0.1
MOVED_TO = -1001234567890
_PATH = re.compile(r"/bot(?P<token>[^/]+)/(?P<method>\w+)")
_FILES = {"sendPhoto": "photo", "sendDocument": "document", "sendAudio": "audio", "sendVideo": "video"}
_REFUSALS = {
    "down": (502, "Bad Gateway"),
    "blocked": (403, "Forbidden: bot was blocked by the user"),
    "gone": (400, "Bad Request: chat not found"),
}


@dataclass
class Telegram:
    """One bot at Telegram."""

    mode: str = "ok"
    port: int = 0
    log: Path | None = None
    bot_token: str = BOT_TOKEN
    paths: dict[str, str] = field(default_factory=dict)  # of files, by their ids
    taken: dict[str, bytes] = field(default_factory=dict)  # the last file that was sent, by chat
    updates: Updates = field(default_factory=Updates)  # as the sandbox keeps them
    waiting: int = 0  # updates that the webhook did not take
    last_error: str = ""
    requests: int = 0
    refused: int = 0
    signals: list[tuple[str, str]] = field(default_factory=list)  # chat, action
    drafts: list[tuple[str, int, str]] = field(default_factory=list)  # chat, number, text
    shows: bool = True  # whether it takes signals
    standing: dict[str, dict[int, str]] = field(default_factory=dict)  # by chat, texts by number as they stand there
    edits: list[tuple[str, str]] = field(default_factory=list)  # chat, text
    sends: Sends = field(init=False)
    server: HttpServer = field(init=False)

    def __post_init__(self) -> None:
        self.sends = Sends(self.log)
        self.server = HttpServer(self._answer, self.port)

    @property
    def webhook(self) -> dict[str, Any]:
        """What setWebhook was given; empty when none is set."""
        return self.updates.webhook

    @webhook.setter
    def webhook(self, given: dict[str, Any]) -> None:
        self.updates.webhook = given

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
        path = _PATH.fullmatch(request.path)
        if not path or path["token"] != self.bot_token:
            return self._refused(401, "Unauthorized")
        if path["method"] in _FILES:
            return self._take_file(form_of(request), _FILES[path["method"]])
        asked = _parameters(request)
        if path["method"] == "sendMessage":
            return self._send_message(asked, word, number)
        if path["method"] == "sendMessageDraft":
            return self._send_message_draft(asked)
        if path["method"] == "sendChatAction":
            return self._send_chat_action(asked)
        if word in ("down", "throttled"):
            return self._refused(*{"down": _REFUSALS["down"], "throttled": (429, "Too Many Requests")}[word])
        known = {
            "getMe": self._get_me,
            "getFile": self._get_file,
            "setWebhook": self._set_webhook,
            "getWebhookInfo": self._get_webhook_info,
            "deleteWebhook": self._delete_webhook,
            "getUpdates": self._get_updates,
            "editMessageText": self._edit,
            "deleteMessage": self._delete,
        }
        return known[path["method"]](asked) if path["method"] in known else self._refused(404, "Not Found")

    def _get_me(self, _asked: dict[str, Any]) -> Reply:
        bot = {"id": 123456789, "is_bot": True, "first_name": "Parley", "username": "parley_bot"}
        return answer(200, {"ok": True, "result": {**bot, "can_read_all_group_messages": False}})

    def _send_chat_action(self, asked: dict[str, Any]) -> Reply:
        if not self.shows:
            return answer(429, {"ok": False, "error_code": 429, "parameters": {"retry_after": 1}})
        self.signals.append((str(asked["chat_id"]), asked["action"]))
        return answer(200, {"ok": True, "result": True})

    def _take_file(self, form: dict[str, bytes], field_: str) -> Reply:
        if field_ not in form or not form.get("chat_id"):
            return self._refused(400, "Bad Request: there is no file in the request")
        number, chat = len(self.sends.all) + 1, form["chat_id"].decode()
        self.taken[chat] = form[field_]
        self.sends.add(Send(now(), chat, "bot", form.get("caption", b"").decode(), str(number)))
        return answer(
            200, {"ok": True, "result": {"message_id": number, "date": int(now()), "chat": {"id": int(chat)}}}
        )

    def _get_file(self, asked: dict[str, Any]) -> Reply:
        file_id = asked.get("file_id", "")
        if file_id not in self.paths:
            return self._refused(400, "Bad Request: invalid file_id")
        if not self.paths[file_id]:
            return self._refused(400, "Bad Request: file is too big")
        return answer(200, {"ok": True, "result": {"file_id": file_id, "file_path": self.paths[file_id]}})

    def _send_message_draft(self, asked: dict[str, Any]) -> Reply:
        if not isinstance(asked["chat_id"], int) or asked["chat_id"] < 0 or not asked["draft_id"]:
            return self._refused(400, "Bad Request: chat not found")
        if not self.shows:
            return answer(429, {"ok": False, "error_code": 429, "parameters": {"retry_after": 1}})
        self.drafts.append((str(asked["chat_id"]), asked["draft_id"], asked["text"]))
        return answer(200, {"ok": True, "result": True})

    def shown(self, chat: str) -> list[str]:
        """What people see of us."""
        return list(self.standing.get(chat, {}).values())

    def _edit(self, asked: dict[str, Any]) -> Reply:
        chat = self.standing.get(str(asked["chat_id"]), {})
        if asked["message_id"] not in chat:
            return self._refused(400, "Bad Request: message to edit not found")
        if chat[asked["message_id"]] == asked["text"]:
            return self._refused(400, "Bad Request: message is not modified: the same text")
        self.edits.append((str(asked["chat_id"]), asked["text"]))
        chat[asked["message_id"]] = asked["text"]
        return answer(200, {"ok": True, "result": {"message_id": asked["message_id"], "text": asked["text"]}})

    def _delete(self, asked: dict[str, Any]) -> Reply:
        if self.standing.get(str(asked["chat_id"]), {}).pop(asked["message_id"], None) is None:
            return self._refused(400, "Bad Request: message to delete not found")
        return answer(200, {"ok": True, "result": True})

    def _set_webhook(self, asked: dict[str, Any]) -> Reply:
        if not asked["url"].startswith("https://"):
            return self._refused(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", asked["secret_token"]):
            return self._refused(400, "Bad Request: secret token contains unallowed characters")
        self.updates.set_webhook(asked)
        return answer(200, {"ok": True, "result": True, "description": "Webhook was set"})

    def _get_webhook_info(self, _asked: dict[str, Any]) -> Reply:
        told = {
            "url": self.webhook.get("url", ""),
            "has_custom_certificate": False,
            "pending_update_count": self.waiting,
        }
        if "allowed_updates" in self.webhook:
            told["allowed_updates"] = self.webhook["allowed_updates"]
        if self.last_error:
            told |= {"last_error_date": int(now()), "last_error_message": self.last_error}
        return answer(200, {"ok": True, "result": told})

    def _delete_webhook(self, _asked: dict[str, Any]) -> Reply:
        self.updates.set_webhook({})
        return answer(200, {"ok": True, "result": True, "description": "Webhook was deleted"})

    def write(self, text: str, *, chat_id: int, number: int) -> None:
        """Somebody writes to the bot, which has no webhook; in a group, where the chat's number is below zero."""
        person = {"id": abs(chat_id), "is_bot": False, "first_name": "Ann"}
        message = {"message_id": number, "date": int(now()), "from": person, "text": text}
        private = {"id": chat_id, "type": "private", "first_name": "Ann"}
        message["chat"] = private if chat_id > 0 else {"id": chat_id, "type": "supergroup", "title": "Shop"}
        self.updates.add({"update_id": number, "message": message})

    def _get_updates(self, asked: dict[str, Any]) -> Reply:
        """As the sandbox answers it; where nothing is there it waits, here for a moment only."""
        if self.mode == "conflict":
            said = "terminated by other getUpdates request; make sure that only one bot instance is running"
            return self._refused(409, f"Conflict: {said}")
        found = self.updates.ask(asked)
        waits = min(found.seconds, LONGEST_POLL_SECONDS) if isinstance(found, Later) and not found.is_ready() else 0.0
        reply = found.answer() if isinstance(found, Later) else found
        return answer(reply.status, reply.content, after_seconds=waits)

    def _send_message(self, asked: dict[str, Any], word: str, number: float) -> Reply:
        if word in _REFUSALS:
            return self._refused(*_REFUSALS[word])
        if word == "throttled":
            wait = {"retry_after": int(number)}
            return self._refused(429, f"Too Many Requests: retry after {int(number)}", parameters=wait)
        if word == "moved" and asked["chat_id"] != MOVED_TO:
            moved = {"migrate_to_chat_id": MOVED_TO}
            return self._refused(400, "Bad Request: group chat was upgraded to a supergroup chat", parameters=moved)
        text = asked.get("text", "")
        if not text:
            return self._refused(400, "Bad Request: message text is empty")
        if len(text.encode("utf-16-le")) // 2 > LONGEST_TEXT:
            return self._refused(400, "Bad Request: message is too long")
        number_of_message = len(self.sends.all) + 1
        self.sends.add(Send(now(), str(asked["chat_id"]), "bot", text, str(number_of_message)))
        self.standing.setdefault(str(asked["chat_id"]), {})[number_of_message] = text
        if word == "lost":
            return Reply(0, hangs_up=True)
        chat = {"id": asked["chat_id"], "type": "private"}
        result = {"message_id": number_of_message, "date": int(now()), "chat": chat, "text": text}
        return answer(200, {"ok": True, "result": result}, after_seconds=number if word == "slow" else 0.0)

    def _refused(self, code: int, description: str, **more: Any) -> Reply:
        self.refused += 1
        return answer(code, {"ok": False, "error_code": code, "description": description, **more})


def _parameters(request: Request) -> dict[str, Any]:
    """As JSON or, as python-telegram-bot sends them, as a form whose values are JSON where they are no texts."""
    if request.headers.get("content-type", "").startswith("application/json"):
        asked: dict[str, Any] = json.loads(request.body or b"{}")
        return asked
    form = dict(parse_qsl(request.body.decode()))
    return {name: int(value) if value.lstrip("-").isdigit() else value for name, value in form.items()}


if __name__ == "__main__":
    main(Telegram, about=__doc__, bot_token=BOT_TOKEN)
