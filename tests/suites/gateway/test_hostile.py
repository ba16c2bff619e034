"""What can a stranger's bytes do? For every channel: no 5xx, no row, no waiting."""

import asyncio
import random
import time

import pytest

from channels.registry import CHANNELS
from tests.suites.gateway import raw
from tests.suites.gateway.conftest import World

# One gateway for all of them: what a stranger sends must not be felt by the next one.
pytestmark = pytest.mark.asyncio(loop_scope="module")

DEEP = b"[" * 100_000
LIMIT = 262_144
FORM = "application/x-www-form-urlencoded"

BODIES: dict[str, bytes] = {
    "nothing": b"",
    "random bytes": random.Random(1).randbytes(4096),
    "not utf-8": b'{"text":"\xff\xfe\xfa"}',
    "form not utf-8": b"Body=%FF%FE&From=%C3%28&To=%00",
    "deep lists": DEEP,
    "deep objects": b'{"a":' * 50_000,
    "duplicate keys": b'{"update_id":1,"update_id":"x","text":"a","text":[]}',
    "not a number": b'{"update_id":NaN,"text":Infinity}',
    "huge number": b'{"update_id":' + b"9" * 5000 + b"}",
    "wrong types": b'{"update_id":[],"message":"x","text":{},"client_msg_id":1}',
    "lone surrogate": b'{"update_id":1,"text":"\\ud800"}',
    "nul": b"Body=%00&MessageSid=SM1\x00",
    "many fields": b"&".join(b"a%d=b" % n for n in range(20_000)),
    "gzip": b"\x1f\x8b\x08\x00" + b"\x00" * 100,
    "truncated": b'{"update_id":1,"message":{"text":"',
}
HEADERS: dict[str, dict[bytes, bytes]] = {
    "unsigned": {},
    "empty proof": {
        b"x-twilio-signature": b"",
        b"x-telegram-bot-api-secret-token": b"",
        b"x-signature-ed25519": b"",
        b"x-signature-timestamp": b"",
        b"authorization": b"",
    },
    "proof that is not text": {
        b"x-twilio-signature": b"\xff\xfe\x80",
        b"x-telegram-bot-api-secret-token": b"\xe9\xff",
        b"x-signature-ed25519": b"\xff" * 64,
        b"x-signature-timestamp": b"\xb2\xb9",
        b"authorization": b"Bearer \xff.\xfe.\xfd",
    },
    "huge proof": {
        b"x-twilio-signature": b"A" * 8000,
        b"x-signature-ed25519": b"a" * 8000,
        b"x-signature-timestamp": b"1" * 5000,
        b"authorization": b"Bearer " + b"a." * 4000,
    },
}


@pytest.mark.parametrize("channel", sorted(CHANNELS))
@pytest.mark.parametrize("content_type", ["application/json", FORM])
async def test_unproven_bodies_of_any_kind_are_refused_quickly(shared: World, channel: str, content_type: str) -> None:
    path = f"/webhook/{channel}/{channel}-key"
    for headers in HEADERS.values():
        for kind, body in BODIES.items():
            answer = await raw.sent(shared.port, _request(path, body, content_type.encode(), headers))
            assert raw.status(answer) in {400, 401, 403, 404, 413, 431}, (kind, answer[:200])
    assert not shared.peer.submissions


async def test_a_proven_body_that_cannot_be_read_is_kept_as_it_came(shared: World) -> None:
    webhook = shared.webhook("telegram", "hello")
    answer = await shared.client.post(webhook.url, content=DEEP, headers=dict(webhook.headers))
    assert answer.status_code == 200
    [submission] = shared.peer.submissions
    assert submission.unreadable
    assert submission.raw_payload == DEEP
    assert not submission.messages


async def test_our_own_chat_is_told_what_it_did_wrong_and_nothing_is_kept(shared: World) -> None:
    webhook = shared.webhook("webchat", "hello")
    answer = await shared.client.post(webhook.url, content=DEEP, headers=dict(webhook.headers))
    assert answer.status_code == 400
    assert not shared.peer.submissions


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", "application/xml", ""])
async def test_a_body_of_another_type_is_refused_unread(shared: World, content_type: str) -> None:
    answer = await raw.sent(shared.port, _request("/webhook/sms/sms-key", b"x" * 1000, content_type.encode(), {}))
    assert raw.status(answer) == 415


async def test_a_compressed_body_is_refused_unread(shared: World) -> None:
    headers = {b"content-encoding": b"gzip"}
    answer = await raw.sent(shared.port, _request("/webhook/sms/sms-key", b"\x1f\x8b", FORM.encode(), headers))
    assert raw.status(answer) == 415


@pytest.mark.parametrize(("size", "expected"), [(LIMIT - 1, 401), (LIMIT, 401), (LIMIT + 1, 413), (LIMIT * 100, 413)])
async def test_a_declared_size_decides_before_the_body_is_read(shared: World, size: int, expected: int) -> None:
    head = _head("/webhook/sms/sms-key", FORM.encode(), {b"content-length": b"%d" % size})
    content = head if expected == 413 else head + b"x" * size
    assert raw.status(await raw.sent(shared.port, content, seconds=3)) == expected


@pytest.mark.parametrize(("size", "expected"), [(LIMIT, 401), (LIMIT + 1, 413), (LIMIT * 3, 413), (LIMIT * 100, 413)])
async def test_a_chunked_body_is_cut_off_at_the_limit(shared: World, size: int, expected: int) -> None:
    head = _head("/webhook/sms/sms-key", FORM.encode(), {b"transfer-encoding": b"chunked"})
    pieces = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in _pieces(size)]
    answer = await raw.sent(shared.port, head + b"".join(pieces) + b"0\r\n\r\n")
    # Far beyond the limit the connection may be cut before the client has read the answer.
    assert raw.status(answer) in ({expected} if size < LIMIT * 16 else {expected, 0})
    assert (await shared.client.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    "content",
    [
        b"\x00\xff" * 50,
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /webhook/sms HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /webhook/sms HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"POST /webhook/sms HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /webhook/%00%ff/\xe9 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: " + b"b" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_hardly_http_is_never_our_fault(shared: World, content: bytes) -> None:
    answer = await raw.sent(shared.port, content)
    assert raw.status(answer) < 500
    assert (await shared.client.get("/healthz")).status_code == 200


async def test_a_thousand_broken_webhooks_are_refused_in_milliseconds_each(shared: World) -> None:
    source = random.Random(7)
    took = []
    for _ in range(1000):
        body = source.randbytes(source.randrange(2000))
        began = time.process_time()  # of both sides, and not of whoever else keeps the machine busy
        answer = await shared.client.post("/webhook/sms/sms-key", content=body, headers={"content-type": FORM})
        took.append(time.process_time() - began)
        assert answer.status_code == 401
    assert sorted(took)[500] < 0.02
    assert not shared.peer.submissions


@pytest.mark.parametrize("path", ["/webhook/sms/sms-key", "/v1/chat/sessions", "/v1/chat/messages"])
async def test_clients_that_leave_in_the_middle_leave_no_trace(
    shared: World, capfd: pytest.CaptureFixture[str], path: str
) -> None:
    capfd.readouterr()
    head = _head(path, FORM.encode(), {b"content-length": b"1000"})
    for _ in range(200):
        _, writer = await asyncio.open_connection("127.0.0.1", shared.port)
        writer.write(head + b"x")
        await writer.drain()
        writer.close()
    await asyncio.sleep(0.5)
    said = capfd.readouterr()
    assert len((said.out + said.err).splitlines()) < 10
    assert (await shared.post(shared.webhook("sms", "hello"))).status_code == 200


def _request(path: str, body: bytes, content_type: bytes, headers: dict[bytes, bytes]) -> bytes:
    return _head(path, content_type, {b"content-length": b"%d" % len(body), **headers}) + body


def _head(path: str, content_type: bytes, headers: dict[bytes, bytes]) -> bytes:
    lines = [b"POST %s HTTP/1.1" % path.encode(), b"host: x", b"content-type: " + content_type]
    lines += [name + b": " + value for name, value in headers.items()]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _pieces(size: int) -> list[bytes]:
    whole, rest = divmod(size, 65_536)
    return [b"x" * 65_536] * whole + ([b"x" * rest] if rest else [])
