"""What is around the mesh? The providers and a model server, in a thread with a loop of their own."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, Self, TypeVar

from tests.simulated.discord import PRIVATE_KEY, PUBLIC_KEY, Discord
from tests.simulated.meta import ACCESS_TOKEN, APP_SECRET, Meta
from tests.simulated.ollama import Ollama
from tests.simulated.slack import SIGNING_SECRET, Slack
from tests.simulated.telegram import Telegram
from tests.simulated.twilio import Twilio
from tests.stalls import PATIENCE_SECONDS
from tests.suites.channels.described import against_all

Result = TypeVar("Result")

PHONE_NUMBER_ID = "106540352242922"
INSTAGRAM_ID = "17841400000000001"
PROVIDERS = ("twilio", "telegram", "discord", "slack", "meta")


class World:
    """Outlives any test's loop. Its parts are read from tests and changed through `run`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="world", daemon=True)
        self.twilio = Twilio(statuses=("sent", "delivered"))
        self.telegram = Telegram()
        self.discord = Discord()
        self.slack = Slack()
        self.meta = Meta()
        self.ollama = Ollama()
        self._parts = (self.twilio, self.telegram, self.discord, self.slack, self.meta, self.ollama)

    def __enter__(self) -> Self:
        self._thread.start()
        for part in self._parts:
            self.run(part.start())
        return self

    def __exit__(self, *_: object) -> None:
        for part in self._parts:
            self.run(part.stop())
        self.run(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Does something on the world's loop, from a test's."""
        future: Future[Result] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(PATIENCE_SECONDS)

    def complaints(self) -> list[str]:
        """What the providers would say against the calls that came since this was asked last."""
        servers = {name: getattr(self, name).server for name in PROVIDERS}
        heard = {name: list(server.heard) for name, server in servers.items()}
        for server in servers.values():
            server.heard.clear()
        return [said for name, calls in heard.items() for said in against_all(name, calls)]

    def environment(self) -> dict[str, str]:
        """What a mesh must know of it."""
        return {
            "OLLAMA_BASE_URL": self.ollama.base_url,
            "TWILIO_API_BASE_URL": self.twilio.server.base_url,
            "TWILIO_ACCOUNT_SID": self.twilio.account_sid,
            "TWILIO_AUTH_TOKEN": self.twilio.auth_token,
            "TELEGRAM_API_BASE_URL": self.telegram.server.base_url,
            "TELEGRAM_BOT_TOKEN": self.telegram.bot_token,
            "DISCORD_API_BASE_URL": self.discord.server.base_url,
            "DISCORD_BOT_TOKEN": self.discord.bot_token,
            "DISCORD_PUBLIC_KEY": PUBLIC_KEY,
            "DISCORD_TEST_PRIVATE_KEY": PRIVATE_KEY,
            "WHATSAPP_API_BASE_URL": self.meta.server.base_url,
            "WHATSAPP_ACCESS_TOKEN": ACCESS_TOKEN,
            "WHATSAPP_PHONE_NUMBER_ID": PHONE_NUMBER_ID,
            "INSTAGRAM_API_BASE_URL": self.meta.server.base_url,
            "INSTAGRAM_ACCESS_TOKEN": ACCESS_TOKEN,
            "INSTAGRAM_ACCOUNT_ID": INSTAGRAM_ID,
            "META_APP_SECRET": APP_SECRET,
            "META_VERIFY_TOKEN": "meta-verify-token-for-tests-only",
            "SLACK_API_BASE_URL": self.slack.base_url,
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            "SLACK_SIGNING_SECRET": SIGNING_SECRET,
        }
