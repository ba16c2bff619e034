"""How do people talk to the mesh? By webhooks that are signed as their provider would, and in the web chat."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp

from channels.channel import Credentials, Imitation, Webhook
from channels.registry import CHANNELS
from kit.ids import new_id
from kit.moments import utc_now
from tests.mesh.rig import SMS, TELEGRAM_SECRET, WHATSAPP, Mesh
from tests.mesh.world import INSTAGRAM_ID, PHONE_NUMBER_ID
from tests.simulated.discord import PRIVATE_KEY, PUBLIC_KEY
from tests.simulated.meta import APP_SECRET
from tests.simulated.slack import SIGNING_SECRET
from tests.simulated.twilio import ACCOUNT_SID, AUTH_TOKEN

_TWILIO = Credentials({"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN})
ACCOUNTS = {
    "whatsapp": (WHATSAPP, _TWILIO),
    "sms": (SMS, _TWILIO),
    "telegram": ("telegram", Credentials({"webhook_secret": TELEGRAM_SECRET})),
    "discord": ("discord", Credentials({"public_key": PUBLIC_KEY, "test_private_key": PRIVATE_KEY})),
    "whatsapp_cloud": (PHONE_NUMBER_ID, Credentials({"app_secret": APP_SECRET})),
    "instagram": (INSTAGRAM_ID, Credentials({"app_secret": APP_SECRET})),
    "slack": ("slack", Credentials({"signing_secret": SIGNING_SECRET})),
}


@dataclass(frozen=True, slots=True)
class Heard:
    """What the gateway answered."""

    status: int
    correlation_id: str
    body: bytes


class Talk:
    """Everybody who talks to one mesh."""

    def __init__(self, mesh: Mesh, connections: int = 100) -> None:
        self._mesh = mesh
        self._connections = connections

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=100)  # waiting for one of few connections is a part of it
        connector = aiohttp.TCPConnector(limit=self._connections)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._session.close()

    def webhook(self, channel: str, text: str, sender: str, message_id: str = "") -> Webhook:
        """As the provider would send it."""
        address, credentials = ACCOUNTS[channel]
        url = f"{self._mesh.base_url}/webhook/{channel}"
        imitation = Imitation(text, sender, address, url, message_id or new_id(), utc_now())
        return CHANNELS[channel].imitate(imitation, credentials)

    async def post(self, webhook: Webhook, via: str = "") -> Heard:
        """Posts it, to another gateway when one is named: the signed URL stays the public one."""
        url = webhook.url.replace(self._mesh.base_url, via) if via else webhook.url
        async with self._session.post(url, data=webhook.body, headers=dict(webhook.headers)) as answer:
            return Heard(answer.status, answer.headers.get("x-request-id", ""), await answer.read())

    async def say(self, channel: str, text: str, sender: str) -> Heard:
        heard = await self.post(self.webhook(channel, text, sender))
        assert heard.status == 200, heard
        return heard

    async def chat(self, *texts: str) -> "Chat":
        """A session of the web chat in which this was said."""
        async with self._session.post(f"{self._mesh.base_url}/v1/chat/sessions", json={}) as answer:
            assert answer.status == 201, await answer.text()
            token = (await answer.json())["token"]
        chat = Chat(self._session, f"{self._mesh.base_url}/v1/chat/messages", token)
        for text in texts:
            await chat.say(text)
        return chat


@dataclass(frozen=True, slots=True)
class Chat:
    """One session of the web chat."""

    session: aiohttp.ClientSession
    url: str
    token: str

    async def say(self, text: str) -> Heard:
        headers = {"authorization": f"Bearer {self.token}", "idempotency-key": new_id()}
        async with self.session.post(self.url, json={"text": text}, headers=headers) as answer:
            heard = Heard(answer.status, answer.headers.get("x-request-id", ""), await answer.read())
        assert heard.status == 200, heard
        return heard

    async def texts(self) -> list[str]:
        """What was said, oldest first."""
        async with self.session.get(self.url, headers={"authorization": f"Bearer {self.token}"}) as answer:
            return [each["text"] for each in (await answer.json())["messages"]]


_numbers: Iterator[int] = iter(range(5_550_000_000, 5_559_999_999))


def person() -> str:
    """A number that nobody else in this run has."""
    return f"+1{next(_numbers)}"
