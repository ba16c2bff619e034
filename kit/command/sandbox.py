"""What do `parley sandbox` and `parley up --sandbox` do? Run stand-ins for the providers, with made-up accounts."""

import asyncio
import importlib
import os
import shlex
import signal
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit import addresses
from kit.command import reaching, services
from kit.command.ports import Port, require_free
from kit.command.screen import Mistake, say
from kit.command.settings import lend, values_of
from kit.settings import load

FOLDER = "sandbox"  # in DATA_DIR: made-up accounts never meet the real ones of the same channel
DATABASE = "parley.db"
VARIABLES = "sandbox.env"


@dataclass(frozen=True, slots=True, repr=False)
class Lent:
    """A sandbox that a mesh was told about."""

    data_dir: Path
    port: Port
    gateway_url: str
    values: Mapping[str, str]

    @property
    def page(self) -> str:
        """For a browser."""
        return f"http://localhost:{self.port.port}"

    def opened(self) -> AbstractAsyncContextManager[int]:
        """Runs it."""
        opened: AbstractAsyncContextManager[int] = _opening().opened(
            self.port.port, self.values, gateway_url=self.gateway_url
        )
        return opened


def lent(overrides: Mapping[str, Any]) -> Lent:
    """Makes accounts up and lends them to the mesh of this process. Its data has a folder and a database of its own."""
    values = _opening().made_up()
    lend(values)  # before anything is read: what is half set of a real account is no matter of the sandbox's
    gateway = services.settings_of(services.named("gateway"), **overrides)
    port = _port(None)
    if not port.port or not gateway.http_port:
        raise Mistake("a sandbox needs ports that are known before", fix="set SANDBOX_PORT and HTTP_PORT, and not to 0")
    folder, url = Path(gateway.data_dir) / FOLDER, reaching.gateway_url(gateway)
    beside = {"PUBLIC_BASE_URL": url, "DATABASE_URL": f"sqlite:///{(folder / DATABASE).resolve()}"}
    beside |= _opening().base_urls(port.port)
    lend(beside)
    _keep(folder, {**values, **beside, "DATA_DIR": str(folder.resolve())})
    return Lent(folder, port, url, values)


def _keep(folder: Path, values: Mapping[str, str]) -> None:
    """For commands in another terminal: what this mesh was told, for its owner's eyes; made anew at each start."""
    file = folder / VARIABLES
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in sorted(values.items())]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.writelines(lines)
    except OSError as error:
        fix = "set DATA_DIR to a folder of this user, with room"
        raise Mistake(f"{file} cannot be written: {error.strerror}", fix=fix) from None


async def run(url: str | None, *, port: int | None) -> None:
    """Runs stand-ins for a mesh that is started with the same variables. What is set is used, the rest is made up."""
    gateway = services.settings_of(services.named("gateway"))
    wanted, base = _port(port), reaching.base_url(url, gateway)
    require_free([wanted])
    made = _opening().made_up()
    given = values_of(made)
    public = gateway.public_base_url
    async with _opening().opened(wanted.port, {**made, **given}, gateway_url=base, public_url=public) as found:
        say(f"sandbox   http://localhost:{found}", "bold")
        say(f"gateway   {base}")
        needed = {name: value for name, value in made.items() if name not in given}
        needed |= _opening().base_urls(found) | ({} if public else {"PUBLIC_BASE_URL": base})
        say("The mesh needs these, in its environment or its .env:")
        for name, value in needed.items():
            say(f"{name}={value}")
        say()
        await _told_to_stop()


def _opening() -> Any:
    """The package, when it is run: kit does not depend on it."""
    return importlib.import_module("sandbox.opening")


def _port(given: int | None) -> Port:
    settings: Any = importlib.import_module("sandbox.settings").Settings
    port = load(settings, sandbox_port=given).sandbox_port
    return Port("127.0.0.1", port, "sandbox", f"SANDBOX_PORT={addresses.near(port)}")


async def _told_to_stop() -> None:
    stopping = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stopping.set)
    await stopping.wait()
