"""How can a model server be ill, whatever its protocol? Each mode is one way to answer wrongly, late or not at all.

A mode may carry a number, `503:2`: the seconds of Retry-After. The server itself knows ok, odd, instant, slow:S, held,
flap, refuse and frozen.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate

from aiohttp import web

from tests.simulated.model_call import Call, begin, send
from tests.simulated.model_speech import Saying, ToolCall

HUGE_BYTES = 200 * 1024 * 1024
DRIP_SECONDS = 0.5
PLACE = b"where-the-text-stands"

Illness = Callable[[Call], Awaitable[web.StreamResponse]]


def reset(request: web.Request) -> None:
    """Cuts the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    raise web.HTTPServiceUnavailable


async def _hang(_call: Call) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def _reset(call: Call) -> web.StreamResponse:
    reset(call.request)
    raise AssertionError("unreachable")


async def _drip(call: Call) -> web.StreamResponse:
    data = b"".join(call.complete())
    response = await begin(call)
    for byte in data:
        await response.write(bytes([byte]))
        await asyncio.sleep(DRIP_SECONDS)
    return response


async def _half_open(call: Call) -> web.StreamResponse:
    """The header and half of the body, and then nothing, as when a router between forgets the connection."""
    data = b"".join(call.complete())
    await begin(call, data[: len(data) // 2], length=None if call.streams else len(data))
    return await _hang(call)


async def _stall(call: Call) -> web.StreamResponse:
    """The first piece of text, and then silence on an open connection."""
    if not call.streams:
        return await _half_open(call)
    await begin(call, b"".join(call.draft()[: call.voice.opening]))
    return await _hang(call)


async def _huge(call: Call) -> web.StreamResponse:
    head, _, tail = b"".join(call.draft(Saying(PLACE.decode()))).partition(PLACE)
    response = await begin(call, head)
    block = b"x" * 65536
    for _ in range(HUGE_BYTES // len(block)):
        await response.write(block)
    await response.write(tail.replace(PLACE, b""))
    return response


async def _truncated(call: Call) -> web.StreamResponse:
    """Half of the body that was announced, or of the stream, and then a closed connection."""
    data = b"".join(call.complete())
    response = await begin(call, data[: len(data) // 2], length=None if call.streams else len(data))
    if call.request.transport is not None:
        call.request.transport.close()
    return response


async def _half(call: Call) -> web.StreamResponse:
    """Half of an answer that ends as if it were whole."""
    head, _, _ = b"".join(call.draft(Saying(PLACE.decode()))).partition(PLACE)
    return web.Response(body=head + b"hal", headers={"content-type": call.content_type})


async def _cut(call: Call) -> web.StreamResponse:
    """A stream of whole pieces that ends before its end, as if that were all."""
    return await send(call, call.draft()[: call.voice.opening]) if call.streams else await _half(call)


async def _error(call: Call) -> web.StreamResponse:
    """A body, or the one piece of a stream, that tells of an error under a status of 200."""
    if call.streams:
        return await send(call, [call.voice.broken(call.asked, 0)])
    return await send(call, [call.dialect.written(call.voice.failed(call.asked))])


async def _error_late(call: Call) -> web.StreamResponse:
    """The same when the first text of the stream has been sent."""
    if not call.streams:
        return await _error(call)
    opening = call.draft()[: call.voice.opening]
    return await send(call, [*opening, call.voice.broken(call.asked, len(opening))])


def _says(content: object) -> Illness:
    """A well-formed answer with this as its text."""

    async def answer(call: Call) -> web.StreamResponse:
        return await send(call, call.complete(Saying(content)))

    return answer


def _calls(name: str, arguments: str = "{}") -> Illness:
    """Wants this tool called, whatever it is asked and offered, and says nothing."""

    async def answer(call: Call) -> web.StreamResponse:
        return await send(call, call.complete(Saying("", (ToolCall(name, arguments),), "tool_calls")))

    return answer


def _holds(text: str) -> Illness:
    """A body, or the one piece of a stream, that is no answer."""

    async def answer(call: Call) -> web.StreamResponse:
        data = text.encode()
        framed = call.dialect.framed(data) if data and call.streams else data
        return web.Response(body=framed, headers={"content-type": call.content_type})

    return answer


async def _html(_call: Call) -> web.StreamResponse:
    return web.Response(text="<html><body>Welcome to nginx</body></html>", content_type="text/html")


def _status(status: int, message: str, *, wait: str = "") -> Illness:
    """A refusal, which says how long to wait when the mode or the table does."""

    async def answer(call: Call) -> web.StreamResponse:
        seconds = call.number or wait
        headers = {"retry-after": seconds} if seconds else {}
        return _refusal(call, status, message, headers)

    return answer


async def _status_until(call: Call) -> web.StreamResponse:
    """A date instead of seconds, which HTTP allows: whole seconds, rounded up."""
    until = formatdate(math.ceil(time.time() + float(call.number or 7)), usegmt=True)
    return _refusal(call, 429, "slow down", {"retry-after": until})


def _refusal(call: Call, status: int, message: str, headers: dict[str, str]) -> web.Response:
    body = call.dialect.written(call.dialect.error(status, message))
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)


ILLNESSES: dict[str, Illness] = {
    "hang": _hang,
    "reset": _reset,
    "drip": _drip,
    "stall": _stall,
    "half-open": _half_open,
    "huge": _huge,
    "truncated": _truncated,
    "cut": _cut,
    "garbage": _holds("\x00\x01 this is not json {{{"),
    "half": _half,
    "html": _html,
    "nothing": _holds(""),
    "list": _holds("[1, 2, 3]"),
    "deep": _holds("[" * 100_000),
    "error": _error,
    "error-late": _error_late,
    "500": _status(500, "boom"),
    "503": _status(503, "server busy, please try again"),
    "400": _status(400, "model does not support chat"),
    "429": _status(429, "slow down", wait="7"),
    "429-date": _status_until,
    "empty": _says(""),
    "blank": _says(" \n\t "),
    "number": _says(7),
    "null": _says(None),
    "surrogates": _says("a\x00b\ud800c"),
    "nul": _says("a\x00b"),
    "calls-unknown": _calls("look_up", '{"word": "weather"}'),
    "calls-badly": _calls("hand_off", '{"reason": 7}'),
    "calls-hand-off": _calls("hand_off", '{"reason": "I always ask for help."}'),
}
