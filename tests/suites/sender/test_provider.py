"""Is what surely did not leave told from what may have been read? Over real sockets, where it is decided."""

import asyncio
import socket
import time
from collections import UserDict
from collections.abc import AsyncIterator, Awaitable, Callable, ItemsView
from contextlib import asynccontextmanager

import pytest

from channels.channel import Answer, Call, Unavailable, Unknown
from kit.proxies import Proxies
from sender_service.backends.provider import MAX_ANSWER_BYTES, Provider
from sender_service.domain.outcomes import Late
from tests.simulated.wire import HttpServer, Reply, Request

Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def _call(url: str, timeout_seconds: float = 5.0) -> Call:
    return Call(
        "POST", url, {"content-type": "text/plain", "authorization": "Basic c2VjcmV0"}, b"hello", timeout_seconds
    )


@asynccontextmanager
async def _serving(handler: Callable[[Request], Reply]) -> AsyncIterator[tuple[Provider, str]]:
    server = HttpServer(handler)
    await server.listen()
    async with Provider(8, Proxies()) as provider:
        yield provider, server.base_url
    await server.refuse()


@asynccontextmanager
async def _speaking(raw: Raw) -> AsyncIterator[tuple[Provider, str]]:
    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await raw(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(served, "127.0.0.1", 0)
    async with Provider(8, Proxies()) as provider:
        yield provider, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_method_headers_and_body_arrive_and_status_headers_and_body_come_back() -> None:
    seen: list[Request] = []

    def handler(request: Request) -> Reply:
        seen.append(request)
        return Reply(429, b'{"code": 20429}', {"Retry-After": "7"})

    async with _serving(handler) as (provider, base):
        answer = await provider.call(_call(f"{base}/send"))
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (429, b'{"code": 20429}', "7")
    assert (seen[0].method, seen[0].path, seen[0].body) == ("POST", "/send", b"hello")
    assert seen[0].headers["authorization"] == "Basic c2VjcmV0"


async def test_a_refused_connection_is_safe_to_repeat() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # so that nobody else listens there
        async with Provider(1, Proxies()) as provider:
            with pytest.raises(Unavailable):
                await provider.call(_call(f"http://127.0.0.1:{probe.getsockname()[1]}/"))


async def test_a_name_that_does_not_resolve_is_safe_to_repeat() -> None:
    async with Provider(1, Proxies()) as provider:
        with pytest.raises(Unavailable):
            await provider.call(_call("http://nobody.invalid/"))


async def test_a_connection_that_is_never_accepted_is_safe_to_repeat() -> None:
    with socket.socket() as full:  # its queue takes two, and nobody accepts: the third waits for ever
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        taken = [socket.socket() for _ in range(4)]
        for each in taken:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        async with Provider(1, Proxies()) as provider:
            with pytest.raises(Unavailable):
                await provider.call(_call(f"http://127.0.0.1:{full.getsockname()[1]}/", 0.6))
        for each in taken:
            each.close()


async def _hang_up(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"hello")


async def _say_nothing(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"hello")
    writer.write(b"HTTP/1.1 201 Created\r\ncontent-length: 1000\r\n\r\n")
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.05)


async def _half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"hello")
    writer.write(b"HTTP/1.1 201 Created\r\ncontent-length: 1000\r\n\r\n{")
    await writer.drain()


async def _nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"hello")
    writer.write(b"220 mail.example.com ESMTP\r\n")
    await writer.drain()


async def _too_much(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"hello")
    writer.write(b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n")
    block = b"x" * 65536
    for _ in range(16 + MAX_ANSWER_BYTES // len(block)):
        writer.write(b"10000\r\n" + block + b"\r\n")
        await writer.drain()


@pytest.mark.parametrize("raw", [_hang_up, _say_nothing, _drip, _half, _nonsense, _too_much])
async def test_whatever_goes_wrong_after_the_request_left_may_have_been_sent(raw: Raw) -> None:
    async with _speaking(raw) as (provider, url):
        async with asyncio.timeout(10):
            with pytest.raises(Unknown):
                await provider.call(_call(url, 0.6))


async def test_a_caller_whose_time_ends_before_the_call_s_own_is_told_so() -> None:
    async with _speaking(_say_nothing) as (provider, base):
        with pytest.raises(TimeoutError):
            await provider.call(_call(f"{base}/", 5.0), 0.1)
        with pytest.raises(Unknown):
            await provider.call(_call(f"{base}/", 0.6), 5.0)


class _StandingStill(UserDict[str, str]):
    """Headers of a call, as read by a process that is stopped for a while in this very moment."""

    seconds = 0.0

    def items(self) -> ItemsView[str, str]:
        time.sleep(self.seconds)
        return super().items()


@pytest.mark.parametrize(("own", "callers"), [(5.0, 0.2), (0.2, 5.0)])
async def test_what_stood_still_until_its_time_was_over_is_not_written(own: float, callers: float) -> None:
    seen: list[bytes] = []

    def handler(request: Request) -> Reply:
        seen.append(request.body)
        return Reply(201, b"{}")

    headers = _StandingStill({"content-type": "text/plain"})
    async with _serving(handler) as (provider, base):
        await provider.call(Call("POST", f"{base}/", headers, b"in time", 5.0), 5.0)
        headers.seconds = 0.3
        with pytest.raises(Late):
            await provider.call(Call("POST", f"{base}/", headers, b"late", own), callers)
        headers.seconds = 0.0
        await provider.call(Call("POST", f"{base}/", headers, b"the next", 5.0), 5.0)
    assert seen == [b"in time", b"the next"]


async def test_a_kept_connection_that_was_cut_meanwhile_is_not_mistaken_for_a_refused_one() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"hello")
        writer.write(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok")
        await reader.readuntil(b"hello")  # the second request is read, and then the connection is lost

    async with _speaking(once) as (provider, url):
        assert (await provider.call(_call(url))).status == 201
        with pytest.raises(Unknown):
            await provider.call(_call(url))


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    paths: list[str] = []

    def handler(request: Request) -> Reply:
        paths.append(request.path)
        return Reply(307, b"", {"location": "/elsewhere"})

    async with _serving(handler) as (provider, base):
        answer: Answer = await provider.call(_call(f"{base}/send"))
    assert (answer.status, paths) == (307, ["/send"])


async def test_cookies_of_one_account_are_not_shown_by_another() -> None:
    seen: list[Request] = []

    def handler(request: Request) -> Reply:
        seen.append(request)
        return Reply(201, b"{}", {"set-cookie": "session=secret; Path=/"})

    async with _serving(handler) as (provider, base):
        for _ in range(2):
            await provider.call(_call(f"{base}/send"))
    assert [request.headers.get("cookie") for request in seen] == [None, None]


async def test_errors_and_logs_hold_no_url(capsys: pytest.CaptureFixture[str]) -> None:
    async with Provider(1, Proxies()) as provider:
        with pytest.raises(Unavailable) as failure:
            await provider.call(_call("http://127.0.0.1:1/bot123:canary-token/sendMessage"))
    assert "canary" not in repr(failure.value) + str(failure.value) + "".join(capsys.readouterr())
    assert failure.value.__context__ is None or failure.value.__suppress_context__
