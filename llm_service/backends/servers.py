"""How is a backend made of what the catalogue says of its server? The one place that knows every kind."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kit.proxies import Proxies
from llm_service.backends.echo import MODEL, NAME, Echo
from llm_service.backends.ollama import Ollama
from llm_service.backends.openai_chat import OpenAiChat
from llm_service.backends.openai_responses import OpenAiResponses
from llm_service.backends.wire import Wire, connected
from llm_service.domain.backend import Backend
from llm_service.domain.breaker import Rule
from llm_service.domain.bulkhead import Bulkhead
from llm_service.domain.catalogue import Catalogue, CatalogueError, Server
from llm_service.domain.loading import Loads
from llm_service.domain.served import Route, Served

# Beside the calls there is a look now and then, which would otherwise wait for a connection.
SPARE_CONNECTIONS = 8
# What a header takes. That a file is empty, or has several lines, would be found out at each call, as something else.
_key = re.compile("[!-~]+").fullmatch


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for every server. The key goes to `openai_base_url` alone."""

    openai_base_url: str
    openai_api_key: str
    answer_bytes: int
    window_tokens: int
    concurrency: int
    queue: int
    rule: Rule
    clock: Callable[[], float]
    proxies: Proxies


class Servers:
    """Makes what a catalogue names, and keeps what it already made of the same words."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._made: dict[int, tuple[Server, str]] = {}

    def __call__(self, catalogue: Catalogue, before: Mapping[str, Served]) -> dict[str, Served]:
        """All backends of the catalogue, by name. CatalogueError when a key cannot be read."""
        keys = {name: self._key(name, server) for name, server in catalogue.backends.items()}
        after: dict[str, Served] = {}
        for name, server in catalogue.backends.items():
            known = before.get(name)
            if known is not None and self._made.get(id(known)) == (server, keys[name]):
                after[name] = known
                continue
            after[name] = self._served(name, server, key=keys[name])
            self._made[id(after[name])] = server, keys[name]
        self._made = {id(each): self._made[id(each)] for each in after.values()}
        return after

    def echo(self) -> Route:
        """Echo, which is always there."""
        return Route(self._of(Echo(), Server(kind="echo")), MODEL)

    def _served(self, name: str, server: Server, *, key: str) -> Served:
        if server.kind == "echo":
            return self._of(Echo(name), server)
        terms, url = self._terms, server.base_url or self._terms.openai_base_url
        connections = (server.concurrency or terms.concurrency) + SPARE_CONNECTIONS
        proxy = terms.proxies.of(url)
        wire = connected(url, connections=connections, most_bytes=terms.answer_bytes, key=key, proxy=proxy)
        served = self._of(_KINDS[server.kind](wire, name, terms), server)
        served.base_url = _shown(url)
        if isinstance(served.backend, Ollama):
            served.loads = Loads(served.backend.load, backend=name, clock=terms.clock)
        return served

    def _of(self, backend: Backend, server: Server) -> Served:
        terms = self._terms
        queue = terms.queue if server.queue is None else server.queue
        bulkhead = Bulkhead(backend.name, places=server.concurrency or terms.concurrency, queue=queue)
        return Served(
            backend,
            server.kind,
            bulkhead,
            offers_all=server.offers_all,
            rule=terms.rule,
            clock=terms.clock,
            reachable=server.kind == NAME,
        )

    def _key(self, name: str, server: Server) -> str:
        if server.api_key_file is not None:
            return read_key(name, server.api_key_file)
        url = (server.base_url or self._terms.openai_base_url).rstrip("/")
        ours = server.kind in {"openai", "responses"} and url == self._terms.openai_base_url
        return self._terms.openai_api_key if ours else ""


def _shown(url: str) -> str:
    """Without the user and password that it may carry."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"


def read_key(name: str, file: Path) -> str:
    """The key of a backend. CatalogueError when the file cannot be read, or holds something else."""
    try:
        key = file.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError):
        raise CatalogueError(f"backends.{name}.api_key_file: {file} cannot be read") from None
    if not _key(key):
        raise CatalogueError(f"backends.{name}.api_key_file: {file} should hold the key, in one word, and nothing else")
    return key


_KINDS: dict[str, Callable[[Wire, str, Terms], Any]] = {
    "ollama": lambda wire, name, terms: Ollama(wire, window_tokens=terms.window_tokens, name=name),
    "openai": lambda wire, name, _terms: OpenAiChat(wire, name=name),
    "responses": lambda wire, name, _terms: OpenAiResponses(wire, name=name),
}
