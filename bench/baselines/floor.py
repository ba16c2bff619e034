"""The least that a message costs in one process: its webhook is verified, the model asked, the answer sent.

Nothing is remembered: no database, no order, no second try, and what it had in hand dies with it. It is written as
lean as its libraries allow, so it says what this machine can give. Settings come as BENCH_* of the environment.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import orjson
from twilio.request_validator import RequestValidator

TWIML = b'<?xml version="1.0" encoding="UTF-8"?><Response></Response>'
HEADERS = [(b"content-type", b"text/xml"), (b"content-length", str(len(TWIML)).encode())]
HEAD = {"type": "http.response.start", "status": 200, "headers": HEADERS}
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class Floor:
    """An ASGI application without a framework."""

    def __init__(self, world: str, sid: str, *, token: str) -> None:
        self._model, self._sends = f"{world}/api/chat", f"{world}/2010-04-01/Accounts/{sid}/Messages.json"
        self._auth, self._validator = aiohttp.BasicAuth(sid, token), RequestValidator(token)
        self._client: aiohttp.ClientSession | None = None
        self._seen, self._running = set[str](), set[asyncio.Task[None]]()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._live(receive, send)
        headers = dict(scope["headers"])
        form = dict(parse_qsl(await _body(receive), keep_blank_values=True))
        url = f"{scope['scheme']}://{headers[b'host'].decode()}{scope['path']}"
        signed = headers.get(b"x-twilio-signature", b"").decode()
        if form and not self._validator.validate(url, form, signed):
            return await _answer(send, {**HEAD, "status": 403})
        if form and form["MessageSid"] not in self._seen:
            self._seen.add(form["MessageSid"])
            task = asyncio.create_task(self._reply(form["From"], form["To"], text=form["Body"]))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await _answer(send, HEAD)

    async def _reply(self, chat: str, to: str, *, text: str) -> None:
        assert self._client is not None
        asked = {"model": "instant", "stream": False, "messages": [{"role": "user", "content": text}]}
        async with self._client.post(self._model, data=orjson.dumps(asked)) as response:
            said = orjson.loads(await response.read())["message"]["content"]
        sent = {"From": to, "To": chat, "Body": said}
        async with self._client.post(self._sends, data=sent, auth=self._auth) as response:
            await response.read()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with aiohttp.ClientSession() as self._client:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


async def _body(receive: Receive) -> str:
    whole, more = b"", True
    while more:
        part = await receive()
        whole, more = whole + part.get("body", b""), part.get("more_body", False)
    return whole.decode()


async def _answer(send: Send, head: Mapping[str, Any]) -> None:
    await send(head)
    await send({"type": "http.response.body", "body": TWIML})


def app() -> Floor:
    """For uvicorn's --factory."""
    given = os.environ
    return Floor(given["BENCH_WORLD_URL"], given["BENCH_ACCOUNT_SID"], token=given["BENCH_AUTH_TOKEN"])
