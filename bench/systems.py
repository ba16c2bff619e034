"""How is a system under test started, found and stopped? Parley in its topologies, and the baselines."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx

from bench import load
from tests.simulated.wire import free_port

START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a system may put things and whom it talks to."""

    folder: Path
    world_port: int
    database_url: str

    @property
    def world_url(self) -> str:
        return f"http://127.0.0.1:{self.world_port}"


class System(Protocol):
    """Something that answers WhatsApp webhooks."""

    name: str

    async def start(self, place: Place) -> str:
        """Starts it and gives the URL of its webhook."""

    def pids(self) -> dict[str, int]:
        """Its processes by name."""

    async def stop(self) -> None:
        """Ends it."""


@dataclass(slots=True)
class Processes:
    """Child processes with their output in files."""

    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    logs: dict[str, Path] = field(default_factory=dict)

    def spawn(self, name: str, command: list[str], environment: Mapping[str, str], folder: Path) -> None:
        self.logs[name] = folder / f"{name}.log"
        with self.logs[name].open("ab") as log:
            self.running[name] = subprocess.Popen(
                command, env={**os.environ, **environment}, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def pids(self) -> dict[str, int]:
        return {name: process.pid for name, process in self.running.items()}

    async def answer(self, url: str) -> None:
        """Waits until a URL of theirs answers 200. RuntimeError, with the last words, when one of them ended instead;
        TimeoutError after a minute."""
        async with asyncio.timeout(START_SECONDS), httpx.AsyncClient() as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(url)).status_code == 200:
                        return
                self._all_live()
                await asyncio.sleep(0.1)

    def _all_live(self) -> None:
        for name, process in self.running.items():
            if (code := process.poll()) is not None:
                said = self.logs[name].read_text(errors="replace").strip().splitlines()[-3:]
                raise RuntimeError("\n".join([f"{name} ended with exit code {code} before it was ready:", *said]))

    async def stop(self) -> None:
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        for process in self.running.values():
            try:
                await asyncio.to_thread(process.wait, 15)
            except subprocess.TimeoutExpired:
                process.kill()
        self.running.clear()


class ParleyMesh:
    """Parley: one process, or one process for each service."""

    def __init__(self, name: str, *, processes: bool) -> None:
        self.name = name
        self._split = processes
        self._children = Processes()

    async def start(self, place: Place) -> str:
        http, storage, agent, llm, sender = (free_port() for _ in range(5))
        environment = {
            "DATABASE_URL": place.database_url,
            "DATA_DIR": str(place.folder / "data"),
            "HTTP_PORT": str(http),
            "STORAGE_ADDRESS": f"127.0.0.1:{storage}",
            "AGENT_ADDRESS": f"127.0.0.1:{agent}",
            "LLM_ADDRESS": f"127.0.0.1:{llm}",
            "SENDER_ADDRESS": f"127.0.0.1:{sender}",
            "OLLAMA_BASE_URL": place.world_url,
            "TWILIO_API_BASE_URL": place.world_url,
            "TWILIO_ACCOUNT_SID": load.CREDENTIALS["account_sid"],
            "TWILIO_AUTH_TOKEN": load.CREDENTIALS["auth_token"],
            "TWILIO_WHATSAPP_NUMBER": load.ADDRESS,
            "LOG_LEVEL": "warning",
            "MESH_TOKEN": "bench-mesh-token-bench-mesh-token",
        }
        if self._split:
            for service in ("storage_service", "llm_service", "agent_service", "sender_service", "gateway"):
                self._children.spawn(service, [sys.executable, "-m", service], environment, place.folder)
        else:
            parley = str(Path(sys.executable).parent / "parley")
            self._children.spawn("parley", [parley, "up"], environment, place.folder)
        await self._children.answer(f"http://127.0.0.1:{http}/readyz")
        await _in_a_hurry(f"127.0.0.1:{storage}", environment)
        return f"http://127.0.0.1:{http}/webhook/whatsapp"

    def pids(self) -> dict[str, int]:
        return self._children.pids()

    async def stop(self) -> None:
        await self._children.stop()


class Baseline:
    """One of bench/baselines: a web app, and workers beside it where it has any."""

    def __init__(self, name: str, module: str, *, driver: str, workers: int = 0) -> None:
        self.name = name
        self._module, self._driver, self._workers = module, driver, workers
        self._children = Processes()

    async def start(self, place: Place) -> str:
        http = free_port()
        environment = {
            "BENCH_DATABASE_URL": place.database_url.replace("postgresql://", self._driver, 1),
            "BENCH_WORLD_URL": place.world_url,
            "BENCH_AUTH_TOKEN": load.CREDENTIALS["auth_token"],
            "BENCH_ACCOUNT_SID": load.CREDENTIALS["account_sid"],
        }
        queue = [sys.executable, "-m", "procrastinate", "--app", f"{self._module}.queue"]
        if self._workers:
            self._children.spawn("schema", [*queue, "schema", "--apply"], environment, place.folder)
            await asyncio.to_thread(self._children.running.pop("schema").wait, 30)
        server = ["-m", "uvicorn", "--factory", f"{self._module}:app", "--port", str(http), "--no-access-log"]
        self._children.spawn("web", [sys.executable, *server, "--log-level", "warning"], environment, place.folder)
        await self._children.answer(f"http://127.0.0.1:{http}/openapi.json")
        for n in range(self._workers):
            worker = [*queue, "worker", "--concurrency", "32", "--queues", "replies"]
            self._children.spawn(f"worker{n}", worker, environment, place.folder)
        return f"http://127.0.0.1:{http}/webhook/whatsapp"

    def pids(self) -> dict[str, int]:
        return self._children.pids()

    async def stop(self) -> None:
        await self._children.stop()


async def _in_a_hurry(storage: str, environment: Mapping[str, str]) -> None:
    """Each message is answered at once: the window for bursts, and what WhatsApp takes in a second, would be measured
    instead of the mesh."""
    from bench import tuning

    await tuning.hurry(storage, environment["MESH_TOKEN"], channel="whatsapp")
