"""What does Meta's Graph API say when it is asked to send? POST /{account}/messages, for WhatsApp and for Instagram.

`python -m tests.simulated.meta --port 8083 --mode ok`. Modes: ok · slow:S · lost (taken, then the connection drops) ·
hang · down (502) · throttled · pair (too many to one person) · window (of text) · gone · expired (token) · locked.
With `echo_to`, whatever is sent on Instagram is shown there before the call is answered, as the real one does.
"""

import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp

from channels import meta_webhook
from tests.simulated.standing import main
from tests.simulated.wire import HttpServer, Reply, Request, Send, Sends, answer, mode_of, now

ACCESS_TOKEN = "EAATokenForTestsOnly"
APP_SECRET = "meta-app-secret-for-tests-only"
LONGEST_WHATSAPP = 4096  # characters
LONGEST_INSTAGRAM = 1000  # bytes of UTF-8
_PATH = re.compile(r"/v[0-9]+\.[0-9]+/(?P<account>[0-9]+)/messages")

Code = tuple[int, int, int]  # HTTP status, code, subcode

_WHATSAPP: dict[str, Code] = {
    "throttled": (400, 130429, 0),
    "pair": (400, 131056, 0),
    "window": (400, 131047, 0),
    "gone": (400, 131026, 0),
    "expired": (401, 190, 463),
    "locked": (403, 131031, 0),
}
_INSTAGRAM: dict[str, Code] = {
    "throttled": (400, 613, 0),
    "pair": (400, 613, 0),
    "window": (400, 10, 2534022),
    "gone": (400, 100, 2534014),
    "expired": (400, 190, 463),
    "locked": (403, 10, 0),
}


@dataclass
class Meta:
    """One app at Meta, and the accounts that its token opens."""

    mode: str = "ok"
    port: int = 0
    log: Path | None = None
    access_token: str = ACCESS_TOKEN
    echo_to: str = ""  # the URL of Instagram's webhook
    known: dict[str, dict[str, Any]] = field(default_factory=dict)  # what a GET shows, by id
    requests: int = 0
    refused: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)
    signals: list[tuple[str, str]] = field(default_factory=list)  # message or person, what is shown
    sends: Sends = field(init=False)
    server: HttpServer = field(init=False)

    def __post_init__(self) -> None:
        self.sends = Sends(self.log)
        self.server = HttpServer(self._answer, self.port)

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
        if word == "down":
            return Reply(502, b"<html>")
        path = _PATH.fullmatch(request.path)
        if not path and request.method != "GET":
            return self._refused(400, 2500, 0)
        if request.headers.get("authorization") != f"Bearer {self.access_token}":
            return self._refused(401, 190, 0)
        if not path:
            known = self.known.get(request.path.rpartition("/")[2])
            return answer(200, known) if known else self._refused(400, 100, 33)
        asked = json.loads(request.body)
        if "status" in asked or "sender_action" in asked:
            return self._shown(asked)
        self.asked.append(asked)
        send = self._whatsapp if "messaging_product" in asked else self._instagram
        return send(asked, account=path["account"], word=word, wait=number)

    def _shown(self, asked: dict[str, Any]) -> Reply:
        if "sender_action" in asked:
            self.signals.append((asked["recipient"]["id"], asked["sender_action"]))
            return answer(200, {"recipient_id": asked["recipient"]["id"]})
        if asked["messaging_product"] != "whatsapp" or asked["status"] != "read":
            return self._refused(400, 100, 0)
        self.signals.append((asked["message_id"], asked.get("typing_indicator", {"type": "read"})["type"]))
        return answer(200, {"success": True})

    def _whatsapp(self, asked: dict[str, Any], *, account: str, word: str, wait: float) -> Reply:
        to, template = asked.get("to") or asked.get("recipient") or "", asked.get("template", {})
        text = _filled(template) if template else asked["text"]["body"]
        if word in _WHATSAPP and not (word == "window" and template):
            return self._refused(*_WHATSAPP[word])
        if not to or not text or len(text) > LONGEST_WHATSAPP or asked["type"] not in asked:
            return self._refused(400, 100, 0)
        name = f"{template['name']}/{template['language']['code']}" if template else ""
        id_ = f"wamid.{len(self.sends.all) + 1}"
        taken = {"messaging_product": "whatsapp", "contacts": [{"input": to, "wa_id": to}], "messages": [{"id": id_}]}
        return self._taken(
            Send(now(), to, account, text, id_, asked["biz_opaque_callback_data"], name), taken, word, wait=wait
        )

    def _instagram(self, asked: dict[str, Any], *, account: str, word: str, wait: float) -> Reply:
        message, to = asked["message"], asked["recipient"]["id"]
        text, file = message.get("text", ""), message.get("attachment")
        if word in _INSTAGRAM:
            return self._refused(*_INSTAGRAM[word])
        if bool(text) == bool(file) or len(text.encode()) > LONGEST_INSTAGRAM:
            return self._refused(400, 100, 0)
        send = Send(now(), to, account, text, f"mid.{len(self.sends.all) + 1}")
        reply = self._taken(send, {"recipient_id": to, "message_id": send.id}, word, wait=wait)
        return replace(reply, first=self._echo(send, message)) if self.echo_to else reply

    async def _echo(self, send: Send, message: dict[str, Any]) -> None:
        shown = {"attachments": [message["attachment"]]} if "attachment" in message else message
        at, ours, theirs = int(send.at * 1000), {"id": send.sender}, {"id": send.to}
        said = {"mid": send.id, "is_echo": True, **shown}
        event = {"sender": ours, "recipient": theirs, "timestamp": at, "message": said}
        entry = {"time": at, "id": send.sender, "messaging": [event]}
        body = json.dumps({"object": "instagram", "entry": [entry]}).encode()
        headers = {"content-type": "application/json", meta_webhook.HEADER: meta_webhook.sign(body, APP_SECRET)}
        async with aiohttp.ClientSession() as session, session.post(self.echo_to, data=body, headers=headers) as done:
            assert done.status == 200, done.status

    def _taken(self, send: Send, content: dict[str, Any], word: str, *, wait: float) -> Reply:
        self.sends.add(send)
        if word == "lost":
            return Reply(0, hangs_up=True)
        return answer(200, content, after_seconds=wait if word == "slow" else 0.0)

    def _refused(self, status: int, code: int, subcode: int) -> Reply:
        self.refused += 1
        error = {"message": f"(#{code}) refused", "type": "OAuthException", "code": code, "fbtrace_id": "A1"}
        return answer(status, {"error": error | ({"error_subcode": subcode} if subcode else {})})


def _filled(template: dict[str, Any]) -> str:
    """The values of its variables, in their order."""
    components = template.get("components", [])
    return " ".join(filled["text"] for each in components for filled in each["parameters"]) or "no variables"


if __name__ == "__main__":
    main(Meta, about=__doc__, access_token=ACCESS_TOKEN)
