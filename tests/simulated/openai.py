"""What does OpenAI's API say on the wire, healthy and ill: Chat Completions, Responses and Conversations?

A loopback server of the protocol in https://platform.openai.com/docs/api-reference, with the modes of `model_server`,
saying what `model_speech` decides. `python -m tests.simulated.openai --port 8090 --mode ok`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.simulated import openai_chat, openai_responses
from tests.simulated.model_dialect import Body, Dialect, Seen, utf8
from tests.simulated.model_server import ModelServer, main
from tests.simulated.openai_account import STREAM, Account, error

MODEL = "gpt-5-mini"


class OpenAI:
    """A model server whose health is a word that may change while it runs. With a key, it wants that key."""

    def __init__(
        self,
        mode: str = "ok",
        models: tuple[str, ...] = (MODEL,),
        *,
        key: str = "",
        port: int = 0,
        wants_longer: bool = False,
        counts_unasked: bool = False,
        hides_models: bool = False,
    ) -> None:
        self._account = Account(models, key, wants_longer, counts_unasked, hides_models)
        self.conversations: dict[str, list[Body]] = self._account.conversations
        self.locked = self._account.locked
        self.server = ModelServer(_dialect(self._account), mode, port=port)
        self.requests = self.server.requests
        self.start, self.stop, self.switch = self.server.start, self.server.stop, self.server.switch

    @property
    def mode(self) -> str:
        return self.server.mode

    @property
    def models(self) -> tuple[str, ...]:
        return self._account.models

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def base_url(self) -> str:
        """Without /v1."""
        return self.server.base_url

    @property
    def chats(self) -> list[Seen]:
        return self.server.chats

    @property
    def open_connections(self) -> int:
        return self.server.open_connections


@asynccontextmanager
async def running(mode: str = "ok", **options: Any) -> AsyncIterator[OpenAI]:
    """A server for the length of a test."""
    server = OpenAI(mode, **options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def _dialect(account: Account) -> Dialect:
    return Dialect(
        name="OpenAI",
        admits=account.admits,
        plain={("GET", "/v1/models"): account.listed, ("POST", "/v1/conversations"): account.converse},
        voices={
            "/v1/chat/completions": openai_chat.voice(account),
            "/v1/responses": openai_responses.voice(account),
        },
        written=utf8,
        framed=lambda data: b"data: " + data + b"\n\n",
        stream_type=STREAM,
        streams=False,
        error=error,
    )


if __name__ == "__main__":
    main(lambda mode, port: OpenAI(mode, port=port), name="OpenAI", port=8090)
