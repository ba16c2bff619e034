"""What is said next? Server-Sent Events of one conversation: each message carries its seq as id, so that a page that
lost the connection goes on where it was. Raw ASGI: it ends when the reader is gone, when its time is up, or we drain.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress

import orjson
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from gateway import envelope
from gateway.backends.conversations import Conversation, Conversations, WatchMessagesResponse
from gateway.domain import spoken
from gateway.domain.first_words import FirstWords
from gateway.domain.limits import Places
from gateway.domain.sessions import Place, Visit
from gateway.routes.visitors import Door
from kit import errors

HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]
HEARTBEAT = b": alive\n\n"
HEARTBEAT_SECONDS = 15.0


class Stream:
    """GET /v1/chat/events."""

    def __init__(
        self,
        door: Door,
        conversations: Conversations,
        *,
        places: Places,
        first_words: FirstWords,
        most_seconds: float,
        stopping: asyncio.Event,
    ) -> None:
        self._door = door
        self._conversations = conversations
        self._places = places
        self._first_words = first_words
        self._most_seconds = most_seconds
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        request = Request(scope, receive)
        try:
            visit = await self._door.visit(request)
            after_seq = _after(request)
            if request.method == "HEAD":  # what a GET would begin with, which has no end and takes a place
                await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
                await send({"type": "http.response.body", "body": b""})
                return
            if self._stopping.is_set() or not self._places.take(visit.key):
                if self._places.is_full:
                    self._door.full()
                raise errors.RateLimited("Too many pages are connected")
        except errors.ParleyError as error:
            await (await envelope.on_parley_error(request, error))(scope, receive, send)
            return
        try:
            await self._serve(visit, after_seq, receive=receive, send=send)
        finally:
            self._places.leave(visit.key)

    async def _serve(self, visit: Visit, after_seq: int, *, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        writing = asyncio.create_task(self._write(visit, after_seq, send=send))
        ends = [writing, asyncio.create_task(_gone(receive)), asyncio.create_task(self._stopping.wait())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED, timeout=self._most_seconds)
        finally:
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        await send({"type": "http.response.body", "body": b""})

    async def _write(self, visit: Visit, after_seq: int, *, send: Send) -> None:
        """Returns when storage ends the stream or cannot be reached: the page connects again."""
        await _put(send, b"retry: 1000\n\n")
        with suppress(errors.ParleyError):
            conversation = await self._awaited(visit, send)
            await _put(send, b"event: conversation\ndata: %s\n\n" % orjson.dumps({"id": conversation.id}))
            watching = self._conversations.watch(
                visit.account.tenant_id,
                conversation.id,
                # Who saw more than was said saw another conversation, before the contact was erased.
                after_seq=after_seq if after_seq <= conversation.last_seq else 0,
                most_seconds=self._most_seconds,
            )
            before = WatchMessagesResponse()
            async with aclosing(_with_heartbeat(watching)) as heard:
                async for each in heard:
                    await _put(send, await _events(each, before) if each is not None else HEARTBEAT)
                    before = before if each is None else each

    async def _awaited(self, visit: Visit, send: Send) -> Conversation:
        """The conversation, once something was said in the chat: before, there is none to watch."""
        loop = asyncio.get_running_loop()
        spoke_at, found = loop.time(), Conversation()

        async def show_life() -> None:
            nonlocal spoke_at
            if loop.time() - spoke_at >= HEARTBEAT_SECONDS:
                await _put(send, HEARTBEAT)
                spoke_at = loop.time()

        async def look(place: Place) -> str:
            nonlocal found
            found = await self._conversations.find(place)
            return found.id

        await self._first_words.awaited(visit.place, look, meanwhile=show_life)
        return found


def _after(request: Request) -> int:
    """Where to go on: what the browser saw last counts more than what the page asked for first."""
    stated = request.headers.get("last-event-id") or request.query_params.get("after_seq") or "0"
    if not (stated.isascii() and stated.isdigit() and len(stated) <= 18):
        raise errors.InvalidField([("after_seq", "a sequence number, 0 or more")])
    return int(stated)


async def _events(heard: WatchMessagesResponse, before: WatchMessagesResponse) -> bytes:
    """Messages first: what was drafted until now is one of them, or nothing any more."""
    frames = [
        b"id: %d\nevent: message\ndata: %s\n\n" % (seq, orjson.dumps(message))
        for seq, message in await spoken.by_seq(heard.messages)
    ]
    if heard.draft != before.draft:
        frames.append(b"event: draft\ndata: %s\n\n" % orjson.dumps(await spoken.drafted(heard.draft)))
    if heard.thinking != before.thinking:
        frames.append(b'event: thinking\ndata: {"thinking":%s}\n\n' % (b"true" if heard.thinking else b"false"))
    return b"".join(frames) or HEARTBEAT


async def _with_heartbeat(
    watching: AsyncIterator[WatchMessagesResponse],
) -> AsyncGenerator[WatchMessagesResponse | None, None]:
    """What is heard, and None whenever nothing was for a while."""
    upcoming = asyncio.ensure_future(anext(watching))
    try:
        while True:
            done, _ = await asyncio.wait([upcoming], timeout=HEARTBEAT_SECONDS)
            if not done:
                yield None
                continue
            try:
                yield upcoming.result()
            except StopAsyncIteration:
                return
            upcoming = asyncio.ensure_future(anext(watching))
    finally:
        upcoming.cancel()
        await asyncio.gather(upcoming, return_exceptions=True)


async def _put(send: Send, chunk: bytes) -> None:
    await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
