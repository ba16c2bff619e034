"""How does a request's body come in, and a plain answer go out? Read once, never more than the limit, in raw ASGI."""

from starlette.types import Receive, Scope, Send

from channels.channel import HttpAnswer

LINGER_BYTES = 1024 * 1024

Headers = tuple[tuple[bytes, bytes], ...]


class TooLarge(Exception):
    """The body is larger than this door takes."""


class Gone(Exception):
    """The client left before the whole body had come."""


async def read(scope: Scope, receive: Receive, *, most: int) -> bytes:
    """Reads the whole body, or raises as soon as it is known to be too large."""
    declared = header(scope, b"content-length")
    if declared.isdigit() and int(declared[:20]) > most:
        raise TooLarge
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        body += bytes(message.get("body", b""))
        if len(body) > most:
            raise TooLarge
        if not message.get("more_body", False):
            return body


async def reply(send: Send, answer: HttpAnswer, *, headers: Headers = ()) -> None:
    """Sends a whole answer."""
    await send({"type": "http.response.start", "status": answer.status, "headers": _headers(answer, headers)})
    await send({"type": "http.response.body", "body": answer.body})


async def reply_unread(receive: Receive, send: Send, *, answer: HttpAnswer, headers: Headers = ()) -> None:
    """Answers a request whose body was not read to its end, and closes. What still comes is thrown away for a
    while first: closing a socket with unread bytes resets it, and the client would never see the answer.
    """
    closing = _headers(answer, ((b"connection", b"close"), *headers))
    await send({"type": "http.response.start", "status": answer.status, "headers": closing})
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
    thrown_away = 0
    while thrown_away < LINGER_BYTES:
        message = await receive()
        if message["type"] != "http.request":
            return
        thrown_away += len(message.get("body", b""))
        if not message.get("more_body", False):
            break
    await send({"type": "http.response.body", "body": b""})


def header(scope: Scope, name: bytes) -> bytes:
    """The first value of a header, or nothing."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return b""


def _headers(answer: HttpAnswer, more: Headers) -> list[tuple[bytes, bytes]]:
    headers = [(b"content-length", b"%d" % len(answer.body)), *more]
    if answer.content_type:
        headers.insert(0, (b"content-type", answer.content_type.encode("latin-1")))
    return headers
