"""What is done to the mesh? A process killed or frozen every two seconds, the database too, all started again."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import grpc

from parley.chat.v1 import message_pb2 as chat
from tests.mesh.rig import Mesh
from tests.postgres import Cluster

RESTART_SECONDS = 0.5
LONGEST_PAUSE_IN_LEASES = 3.0
STARTS = 10
KILLED = ("gateway", "gateway2", "storage", "agent", "agent2", "llm", "sender", "sender2")
PAUSED = ("agent", "agent2", "sender", "sender2", "storage")

Hurt = Callable[[], Coroutine[Any, Any, None]]


@dataclass
class Faults:
    """Does them, and counts: what was hit, and how many sends were in flight just before."""

    mesh: Mesh
    cluster: Cluster | None
    lease_seconds: float
    every_seconds: float
    done: Counter[str] = field(default_factory=Counter)
    crashed: list[str] = field(default_factory=list)  # by themselves
    in_flight: int = 0
    _known_in_flight: int = 0
    _crash: asyncio.Lock = field(default_factory=asyncio.Lock)
    _mending: set["asyncio.Task[None]"] = field(default_factory=set)

    async def run(self, stop: asyncio.Event) -> None:
        """Hurts until it is told to stop, and returns when everything runs again."""
        watching = asyncio.create_task(self._revive())
        try:
            await self._hurt(stop)
        finally:
            for task in (watching, *self._mending):
                task.cancel()

    async def _hurt(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await asyncio.sleep(self.every_seconds * (0.5 + random.random()))
            hurt, what = random.choice(self._possible())
            await self._count_in_flight()
            self.done[what] += 1
            task = asyncio.create_task(hurt())
            self._mending.add(task)
            task.add_done_callback(self._mending.discard)
        while self._mending:
            await asyncio.gather(*self._mending)

    async def _revive(self) -> None:
        """A process that dies by itself is started again too, and stands in the account: nobody did that."""
        while True:
            await asyncio.sleep(0.1)
            for name in self.mesh.died():
                self.crashed.append(name)
                await asyncio.sleep(RESTART_SECONDS)
                self.mesh.start(name)

    def _possible(self) -> list[tuple[Hurt, str]]:
        up = [name for name in KILLED if name in self.mesh.running]
        possible: list[tuple[Hurt, str]] = [(partial(self._kill, name), f"kill {name}") for name in up]
        possible += [(partial(self._pause, name), f"pause {name}") for name in PAUSED if name in up]
        if self.cluster:
            possible += [(self._kill_postgres, "kill postgres")] * 2
        return possible

    async def _kill(self, name: str) -> None:
        if name in self.mesh.running:
            self.mesh.kill(name)
            await asyncio.sleep(RESTART_SECONDS)
            self.mesh.start(name)

    async def _pause(self, name: str) -> None:
        """Longer than a lease: when it wakes, its work is another's."""
        process = self.mesh.running.get(name)
        if process is None:
            return
        self.mesh.pause(name)
        await asyncio.sleep(self.lease_seconds * random.uniform(1.5, LONGEST_PAUSE_IN_LEASES))
        if self.mesh.running.get(name) is process:
            self.mesh.resume(name)

    async def _kill_postgres(self) -> None:
        """One crash at a time; a backend that has not noticed yet keeps the new server from starting."""
        assert self.cluster is not None
        async with self._crash:
            await asyncio.to_thread(self.cluster.kill)
            await asyncio.sleep(RESTART_SECONDS)
            for _ in range(STARTS):
                with contextlib.suppress(AssertionError):
                    return await asyncio.to_thread(self.cluster.start)
                await asyncio.sleep(RESTART_SECONDS)
        raise AssertionError("Postgres does not start again")

    async def _count_in_flight(self) -> None:
        """By the public contract. While storage is away nothing new can begin, so what was known still holds."""
        try:
            async with self.mesh.storage() as storage:
                sending = await storage.deliveries(chat.DELIVERY_STATE_SENDING, timeout_seconds=1)
            self._known_in_flight = len(sending)
        except grpc.aio.AioRpcError:
            pass
        self.in_flight += self._known_in_flight
