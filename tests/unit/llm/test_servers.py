"""What becomes of the backends of a catalogue when another one is followed, and who is given which key?"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from kit.proxies import Proxies
from llm_service.backends.servers import Servers, Terms
from llm_service.domain import catalogue
from llm_service.domain.breaker import Rule
from llm_service.domain.catalogue import CatalogueError
from llm_service.domain.served import Served
from tests.unit.llm.scripted import Clock

OPENAI = "https://api.openai.example/v1"
TWO = '[backends.a]\nkind = "ollama"\nbase_url = "http://a"\n[backends.b]\nkind = "openai"\n'


class Backends:
    """What a service has, and all that it ever made, so that all is closed."""

    def __init__(self) -> None:
        terms = Terms(
            openai_base_url=OPENAI,
            openai_api_key="sk-ours",
            answer_bytes=1024,
            window_tokens=4096,
            concurrency=8,
            queue=4,
            rule=Rule(),
            clock=Clock(),
            proxies=Proxies(),
        )
        self.servers = Servers(terms)
        self.now: dict[str, Served] = {}
        self.made: list[Served] = []

    def follow(self, text: str) -> dict[str, Served]:
        self.now = self.servers(catalogue.read(text, file="models.toml"), self.now)
        self.made += self.now.values()
        return self.now


@asynccontextmanager
async def backends() -> AsyncIterator[Backends]:
    having = Backends()
    try:
        yield having
    finally:
        for each in having.made:
            await each.backend.aclose()


def key_of(served: Served) -> str | None:
    """What this server is shown with each call."""
    backend: Any = served.backend
    key: str | None = backend._wire._session.headers.get("authorization")
    return key


async def test_a_backend_that_stays_the_same_keeps_its_connections_places_and_breakers() -> None:
    async with backends() as having:
        before = having.follow(TWO)["a"]
        before.health("m").breaker.enter().failed()

        after = having.follow(TWO + '[models.m]\nbackend = "a"\n')

        assert after["a"] is before


async def test_a_backend_with_another_word_is_another_backend_and_its_neighbour_stays() -> None:
    async with backends() as having:
        before = having.follow(TWO)

        after = having.follow(TWO.replace("http://a", "http://a:1"))

        assert after["a"] is not before["a"]
        assert after["b"] is before["b"]


async def test_a_backend_that_went_and_came_back_begins_anew() -> None:
    async with backends() as having:
        first = having.follow(TWO)["b"]

        having.follow(TWO.partition("[backends.b]")[0])

        assert having.follow(TWO)["b"] is not first


async def test_a_backend_whose_key_file_changed_is_made_anew_at_the_next_reload(tmp_path: Path) -> None:
    key = tmp_path / "key"
    text = f'[backends.a]\nkind = "openai"\napi_key_file = "{key}"\n'
    async with backends() as having:
        key.write_text("one\n")
        before = having.follow(text)["a"]
        assert having.follow(text)["a"] is before

        key.write_text("two\n")

        assert (key_of(before), key_of(having.follow(text)["a"])) == ("Bearer one", "Bearer two")


async def test_a_key_that_cannot_be_read_refuses_the_catalogue_and_changes_nothing(tmp_path: Path) -> None:
    async with backends() as having:
        before = having.follow(TWO)["a"]
        with pytest.raises(CatalogueError) as raised:
            having.follow(TWO + f'api_key_file = "{tmp_path}/none"\n')

        assert str(raised.value) == f"backends.b.api_key_file: {tmp_path}/none cannot be read"
        assert having.follow(TWO)["a"] is before


@pytest.mark.parametrize("text", ["", "\n", "one\ntwo\n", "Bearer one", "on\x01e", "schlüssel"])
async def test_a_key_file_that_holds_no_key_refuses_the_catalogue_and_is_not_shown(tmp_path: Path, text: str) -> None:
    key = tmp_path / "key"
    key.write_text(text)
    async with backends() as having:
        with pytest.raises(CatalogueError) as raised:
            having.follow(TWO + f'api_key_file = "{key}"\n')

    said = f"backends.b.api_key_file: {key} should hold the key, in one word, and nothing else"
    assert str(raised.value) == said


async def test_a_key_file_may_begin_with_the_mark_of_windows(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("one\r\n", encoding="utf-8-sig")
    async with backends() as having:
        made = having.follow(f'[backends.a]\nkind = "openai"\napi_key_file = "{key}"\n')["a"]

    assert key_of(made) == "Bearer one"


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ('kind = "openai"', "Bearer sk-ours"),
        ('kind = "responses"', "Bearer sk-ours"),
        (f'kind = "openai"\nbase_url = "{OPENAI}"', "Bearer sk-ours"),
        (f'kind = "openai"\nbase_url = "{OPENAI}/"', "Bearer sk-ours"),
        ('kind = "openai"\nbase_url = "https://api.openai.example/v2"', None),
        ('kind = "openai"\nbase_url = "http://api.openai.example/v1"', None),
        ('kind = "openai"\nbase_url = "https://api.openai.example.evil/v1"', None),
        (f'kind = "ollama"\nbase_url = "{OPENAI}"', None),
    ],
)
async def test_our_key_goes_to_its_own_url_and_to_no_other(said: str, key: str | None) -> None:
    async with backends() as having:
        assert key_of(having.follow(f"[backends.a]\n{said}\n")["a"]) == key


async def test_places_and_queue_are_those_of_the_file_else_of_the_settings() -> None:
    async with backends() as having:
        made = having.follow(TWO + "concurrency = 2\nqueue = 0\n")

        assert [(made[name].bulkhead.places, made[name].bulkhead.queue) for name in "ab"] == [(8, 4), (2, 0)]
