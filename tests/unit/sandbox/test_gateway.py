"""Does a webhook reach a gateway that closes connections which rest?"""

import asyncio
from datetime import UTC, datetime

from channels.channel import Webhook
from sandbox.gateway import Gateway


async def test_each_webhook_has_a_connection_of_its_own() -> None:
    """One that is kept may be closed by the gateway just when it is used again, and a post is not repeated."""
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).lower())
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    webhook = Webhook("POST", f"{url}/webhook/sms", headers={}, body=b"", received_at=datetime.now(UTC))
    async with server, Gateway(url) as gateway:
        assert [(await gateway.post(webhook)).status for _ in range(2)] == [200, 200]
    assert [b"connection: close" in head for head in heads] == [True, True]
