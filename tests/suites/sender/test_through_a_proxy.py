"""Does what goes out find its way through a company's proxy, and is what the proxy does told from what a provider does?

Over TLS to names that no resolver knows, as it is where only the proxy can ask for them.
"""

import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from channels.channel import Call, Unavailable
from channels.listening import Heard
from channels.media import Download, Gone
from gateway.backends.outside import Outside
from kit.command import asking
from kit.command.screen import Mistake
from kit.errors import ModelUnavailable
from kit.proxies import Proxies
from llm_service.backends.wire import connected
from sender_service.backends.downloads import Downloads
from sender_service.backends.provider import Provider
from tests.simulated.files import Files
from tests.simulated.proxy import Proxy

NAME = "api.provider.test"


class Far:
    """A provider, a model server and a store of files in one; notes what it is asked."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[tuple[str, str]] = []

    def url(self, path: str, scheme: str = "https") -> str:
        return f"{scheme}://{NAME}:{self.port}{path}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, await request.text()))
        if request.headers.get("upgrade") != "websocket":
            return web.Response(body=b'{"ok": true}')
        talk = web.WebSocketResponse()
        await talk.prepare(request)
        async for message in talk:
            if message.type is WSMsgType.TEXT:
                await talk.send_str(f"heard {message.data}")
        return talk


@pytest.fixture
async def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Far]:
    async with Files(tmp_path, (NAME,)) as certified:  # for its certificate
        monkeypatch.setenv("SSL_CERT_FILE", str(certified.folder / "cert.pem"))
    secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secured.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    listening = socket.create_server(("127.0.0.1", 0))
    made = Far(listening.getsockname()[1])
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.SockSite(runner, listening, ssl_context=secured).start()
    yield made
    await runner.cleanup()


def posted(far: Far) -> Call:
    return Call("POST", far.url("/send"), {"authorization": "Bearer secret"}, b"hello", 5.0)


async def test_a_provider_is_called_through_it_and_the_connection_is_used_again(far: Far) -> None:
    async with Proxy(password="p@ss/word") as proxy, Provider(1, Proxies(proxy.url)) as provider:
        answers = [await provider.call(posted(far)) for _ in range(2)]
    assert [each.status for each in answers] == [200, 200]
    assert far.asked == [("POST", "hello")] * 2
    assert proxy.through == [f"{NAME}:{far.port}"]


@pytest.mark.parametrize("status", [403, 407, 502])
async def test_a_proxy_that_refuses_has_let_nothing_out(far: Far, status: int) -> None:
    async with Proxy(answers=status) as proxy, Provider(1, Proxies(proxy.url)) as provider:
        for call in (posted(far), Call("GET", far.url("/who"), {}, b"", 5.0)):
            with pytest.raises(Unavailable) as caught:
                await provider.call(call)
            assert caught.value.provider_code == f"proxy_{status}"
    assert far.asked == []


async def test_a_proxy_that_hangs_up_or_is_not_there_has_let_nothing_out(far: Far) -> None:
    """Neither is an `unknown` send, which nobody may repeat."""
    async with Proxy(hangs_up=True) as proxy, Provider(1, Proxies(proxy.url)) as provider:
        with pytest.raises(Unavailable) as hung_up:
            await provider.call(posted(far))
    async with Provider(1, Proxies(proxy.url)) as provider:
        with pytest.raises(Unavailable) as gone:
            await provider.call(posted(far))
    assert (hung_up.value.provider_code, gone.value.provider_code) == ("connect", "proxy")


async def test_what_is_no_url_has_let_nothing_out_with_a_proxy_as_without_one() -> None:
    for proxies in (Proxies(), Proxies("http://127.0.0.1:9")):
        async with Provider(1, proxies) as provider:
            with pytest.raises(Unavailable):
                await provider.call(Call("POST", "https://api.provider.test:port/send", {}, b"hello", 5.0))


async def test_a_model_server_is_called_through_it_and_a_refusal_names_the_proxy(far: Far) -> None:
    async with Proxy() as proxy:
        wire = connected(far.url("/v1"), connections=1, most_bytes=1000, proxy=Proxies(proxy.url).of(far.url("/")))
        assert await wire.whole("/models") == {"ok": True}
        await wire.aclose()
        wire = connected(far.url("/v1"), connections=1, most_bytes=1000, proxy=proxy.url)
        proxy.answers = 403
        with pytest.raises(ModelUnavailable, match="proxy does not let calls to the model server out: it says 403"):
            await wire.whole("/models")
        await wire.aclose()


async def test_a_line_is_held_through_it(far: Far) -> None:
    async with Proxy() as proxy:
        outside = Outside(Proxies(proxy.url))
        wire = outside.wire()
        assert (await wire.call(posted(far))).status == 200
        await wire.connect(far.url("/", "wss"))
        await wire.say("hello")
        assert await wire.hear(20) == Heard("heard hello")
        await wire.hang_up(1000)
        await outside.close()
    assert set(proxy.through) == {f"{NAME}:{far.port}"}


async def read(far: Far, proxies: Proxies, *, addresses: Sequence[str] | None) -> bytes:
    """`addresses` is what the name means inside; None: nothing."""

    async def resolve(_name: str, _port: int) -> Sequence[str]:
        if addresses is None:
            raise OSError
        return addresses

    download = Download(far.url("/file"), (NAME,))
    async with (
        Downloads(proxies, resolve=resolve, port=far.port) as downloads,
        downloads.read(download, trusted="", most_bytes=1000) as chunks,
    ):
        return b"".join([chunk async for chunk in chunks])


@pytest.mark.parametrize("addresses", [None, ["8.8.8.8"]])
async def test_a_file_is_read_through_it_by_its_name(far: Far, addresses: Sequence[str] | None) -> None:
    async with Proxy() as proxy:
        assert await read(far, Proxies(proxy.url), addresses=addresses) == b'{"ok": true}'
    assert proxy.through == [f"{NAME}:{far.port}"]


async def test_a_name_that_means_something_inside_is_not_asked_of_the_proxy(far: Far) -> None:
    async with Proxy() as proxy:
        with pytest.raises(Gone, match="refused_address"):
            await read(far, Proxies(proxy.url), addresses=["8.8.8.8", "10.0.0.7"])
    assert proxy.through == []


@pytest.mark.parametrize("refuses", [False, True])
async def test_the_command_asks_a_provider_through_it(far: Far, monkeypatch: pytest.MonkeyPatch, refuses: bool) -> None:
    def question() -> Any:
        answer = yield Call("GET", far.url("/me"), {}, b"", 5.0)
        return answer.status

    async with Proxy(answers=403 if refuses else 200) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        if not refuses:
            assert await asking.ask(question(), "Provider", hidden={}) == 200
            return
        with pytest.raises(Mistake, match="the proxy says 403"):
            await asking.ask(question(), "Provider", hidden={})
