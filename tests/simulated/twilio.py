"""What does Twilio say? POST Messages.json, signed callbacks about what became of it, the account and its numbers.

`python -m tests.simulated.twilio --port 8081 --mode ok`. Modes: ok · slow:S · lost (taken, then the connection drops) ·
crash (taken, then 500) · hang · down (503) · throttled:S (429 with Retry-After) · garbage (201 that is no JSON) ·
or a Twilio code such as 21610, refused with it; `every:N` loses the answer to each Nth. A status may name a code, as
`failed:63016` does: then it is said of free text only, and of a template that it was delivered.
"""

import asyncio
import base64
import contextlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
from twilio.request_validator import RequestValidator

from channels.segments import cost
from tests.simulated.standing import main
from tests.simulated.wire import HttpServer, Reply, Request, Send, Sends, answer, mode_of, now

ACCOUNT_SID = "AC" + "5" * 32
AUTH_TOKEN = "twilio-auth-token-for-tests-only"
LONGEST_BODY = 1600
# https://www.twilio.com/docs/api/errors: (HTTP status, what it says)
CODES = {
    20003: (401, "Authenticate"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    20500: (500, "Internal Server Error"),
    20503: (503, "Service Unavailable"),
    21211: (400, "The 'To' number is not a valid phone number."),
    21602: (400, "Message body is required."),
    21603: (400, "A 'From' phone number is required."),
    21604: (400, "A 'To' phone number is required."),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit."),
    21655: (400, "The ContentSid is Invalid"),
    21656: (400, "The ContentVariables Parameter is invalid"),
    63016: (400, "Failed to send freeform message because you are outside the allowed window."),
    63018: (429, "Rate limit exceeded for Channel"),
}
_PATH = re.compile(r"/2010-04-01/Accounts/(?P<sid>[^/.]+)(?P<rest>\.json|/[A-Za-z]+\.json)")
_CONTENT = re.compile(r"HX[0-9a-f]{32}")
# https://www.twilio.com/docs/api/errors/21656: no newline, no tab, no more than four spaces, nothing empty.
_VALUE = re.compile(r"(?!.* {5})[^\n\t]{1,1024}")
_ADDRESS = re.compile(r"(whatsapp:)?\+[1-9][0-9]{1,14}")
# What is missing or wrong in a form -> Twilio's code, the first that applies.
_CHECKS: tuple[tuple[Callable[[Mapping[str, str]], bool], int], ...] = (
    (lambda form: not form.get("To"), 21604),
    (lambda form: not _ADDRESS.fullmatch(form["To"]), 21211),
    (lambda form: not (form.get("From") or form.get("MessagingServiceSid")), 21603),
    (lambda form: not (form.get("Body") or form.get("ContentSid") or form.get("MediaUrl")), 21602),
    (lambda form: len(form.get("Body", "")) > LONGEST_BODY, 21617),
    (lambda form: "ContentSid" in form and not _CONTENT.fullmatch(form["ContentSid"]), 21655),
    (lambda form: not all(map(_VALUE.fullmatch, _values(form).values())), 21656),
)

Post = Callable[[str, Mapping[str, str], Mapping[str, str]], Awaitable[None]]


@dataclass
class Twilio:
    """One account at Twilio."""

    mode: str = "ok"
    port: int = 0
    log: Path | None = None
    account_sid: str = ACCOUNT_SID
    auth_token: str = AUTH_TOKEN
    kind: str = "Full"  # or Trial
    status: str = "active"  # or suspended, closed
    numbers: Mapping[str, str] = field(default_factory=dict)  # its phone numbers, and the SmsUrl of each
    statuses: tuple[str, ...] = ()  # posted to StatusCallback after each send, in this order
    blocked: set[str] = field(default_factory=set)  # who wrote STOP: nothing is sent to them
    requests: int = 0
    refused: int = 0
    signals: list[str] = field(default_factory=list)  # messages that were answered with "typing"
    media: list[str] = field(default_factory=list)  # URLs of files that were to be sent
    sends: Sends = field(init=False)
    server: HttpServer = field(init=False)
    _callbacks: set["asyncio.Task[None]"] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.sends = Sends(self.log)
        self.server = HttpServer(self._answer, self.port)
        self._authorization = "Basic " + base64.b64encode(f"{self.account_sid}:{self.auth_token}".encode()).decode()

    async def start(self) -> None:
        await self.server.listen()

    async def stop(self) -> None:
        for task in self._callbacks:
            task.cancel()
        await self.server.refuse()
        self.sends.close()

    def _answer(self, request: Request) -> Reply:
        self.requests += 1
        word, number = mode_of(self.mode)
        if word == "hang":
            return Reply(0)
        if request.path == "/v2/Indicators/Typing.json":
            asked = _form(request.body)
            self.signals.append(asked["messageId"])
            return answer(200, {"success": asked["channel"] == "whatsapp"})
        refusal = self._refusal(request, word)
        if refusal:
            self.refused += 1
            return _refused(refusal, {"retry-after": f"{number:g}"} if word == "throttled" else None)
        if request.method == "GET":
            return self._told(request)
        send = self._take(_form(request.body))
        if word in ("lost", "crash") or (word == "every" and len(self.sends.all) % number == 0):
            return _refused(20500) if word == "crash" else Reply(0, hangs_up=True)
        if word == "garbage":
            return Reply(201, b"<html>")
        return answer(201, self._message(send), after_seconds=number if word == "slow" else 0.0)

    def _refusal(self, request: Request, word: str) -> int:
        path = _PATH.fullmatch(request.path)
        if not path or (request.method == "POST") != (path["rest"] == "/Messages.json"):
            return 20404
        if path["sid"] != self.account_sid:
            return 20404 if request.method == "POST" else 20003  # who asks is nobody there
        if request.headers.get("authorization") != self._authorization:
            return 20003
        if word.isdigit() and not (word == "63016" and b"ContentSid=" in request.body):
            return int(word)
        if word in ("throttled", "down"):
            return {"throttled": 20429, "down": 20503}[word]
        if request.method == "GET":
            return 0
        form = _form(request.body)
        return next((code for wrong, code in _CHECKS if wrong(form)), 21610 if form["To"] in self.blocked else 0)

    def _told(self, request: Request) -> Reply:
        if request.path.endswith("/IncomingPhoneNumbers.json"):
            wanted = dict(parse_qsl(request.query)).get("PhoneNumber", "")
            found = [_number(each, url) for each, url in self.numbers.items() if wanted in ("", each)]
            return answer(200, {"incoming_phone_numbers": found, "page": 0, "page_size": 50})
        account = {"sid": self.account_sid, "friendly_name": "Shop", "status": self.status, "type": self.kind}
        return answer(200, {**account, "auth_token": self.auth_token})  # as the real one does

    def _take(self, form: Mapping[str, str]) -> Send:
        callback = form.get("StatusCallback", "")
        sid = f"SM{len(self.sends.all) + 1:032x}"
        template, values = form.get("ContentSid", ""), _values(form)
        text = form.get("Body", "") or " ".join(values.values())
        self.media += filter(None, [form.get("MediaUrl")])
        send = Send(now(), form["To"], form.get("From", ""), text, sid, callback, template)
        self.sends.add(send)
        if callback and self.statuses:
            task = asyncio.get_running_loop().create_task(self._call_back(send))
            self._callbacks.add(task)
            task.add_done_callback(self._callbacks.discard)
        return send

    def _message(self, send: Send) -> Mapping[str, object]:
        return {
            "account_sid": self.account_sid,
            "api_version": "2010-04-01",
            "body": send.text,
            "direction": "outbound-api",
            "error_code": None,
            "from": send.sender,
            "num_segments": str(cost(send.text).segments),
            "sid": send.id,
            "status": "queued",
            "to": send.to,
        }

    async def _call_back(self, send: Send) -> None:
        """Twilio says each status once, whether or not anybody is there to hear it."""
        async with aiohttp.ClientSession() as session:
            for status in self.statuses:
                with contextlib.suppress(aiohttp.ClientError):
                    await self.call_back(session, send, status)

    async def call_back(self, session: aiohttp.ClientSession, send: Send, status: str) -> int:
        """Posts one correctly signed status and gives the HTTP status of the answer."""
        status, _, code = status.partition(":")
        status, code = ("delivered", "") if code and send.template else (status, code)
        form = {
            "MessageSid": send.id,
            "SmsSid": send.id,
            "MessageStatus": status,
            "SmsStatus": status,
            "AccountSid": self.account_sid,
            "From": send.sender,
            "To": send.to,
            "ApiVersion": "2010-04-01",
        } | ({"ErrorCode": code} if code else {})
        signature = RequestValidator(self.auth_token).compute_signature(send.callback, form)
        async with session.post(send.callback, data=form, headers={"X-Twilio-Signature": signature}) as done:
            return done.status


def _number(number: str, url: str) -> Mapping[str, object]:
    capabilities = {"voice": True, "sms": True, "mms": False}
    return {"phone_number": number, "sms_url": url, "sms_method": "POST", "capabilities": capabilities}


def _form(body: bytes) -> Mapping[str, str]:
    return dict(parse_qsl(body.decode(), keep_blank_values=True))


def _values(form: Mapping[str, str]) -> Mapping[str, str]:
    values: Mapping[str, str] = json.loads(form.get("ContentVariables") or "{}")
    return values


def _refused(code: int, headers: Mapping[str, str] | None = None) -> Reply:
    status, message = CODES.get(code, (400, "Bad request"))
    more = f"https://www.twilio.com/docs/errors/{code}"
    return answer(status, {"code": code, "message": message, "more_info": more, "status": status}, headers)


def _at_hand(*, statuses: str, **options: Any) -> Twilio:
    """For the command line, where they are named like this: sent,delivered,read."""
    return Twilio(statuses=tuple(filter(None, statuses.split(","))), **options)


if __name__ == "__main__":
    main(_at_hand, about=__doc__, account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN, statuses="")
