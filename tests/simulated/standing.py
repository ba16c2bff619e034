"""How is one simulated provider run by hand? `python -m tests.simulated.slack --port 8083 --mode slow:2`."""

import argparse
import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from tests.simulated.wire import HttpServer


class Provider(Protocol):
    """A simulated provider that can be started."""

    mode: str
    server: HttpServer

    async def start(self) -> None: ...


def main(make: Callable[..., Provider], *, about: str | None, path: str = "", **options: str) -> None:
    """Runs one until it is killed. What it is made with beside port, mode and log has its default in `options`."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--mode", default="ok")
    parser.add_argument("--log", type=Path)
    for name, default in options.items():
        parser.add_argument(f"--{name.replace('_', '-')}", default=default)
    asyncio.run(_serve(make, vars(parser.parse_args()), path=path))


async def _serve(make: Callable[..., Provider], options: dict[str, Any], *, path: str) -> None:
    provider = make(**options)
    await provider.start()
    name, url = type(provider).__name__, f"{provider.server.base_url}{path}"
    print(f"simulated {name} on {url}, mode {provider.mode}", flush=True)
    await asyncio.Event().wait()
