"""When does a process, or a service within one, start to serve and when must it stop?"""

import asyncio
from collections.abc import Iterable


class Lifetime:
    """What the process tells its services (stop) and what they tell it (ready)."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self._ready: set[str] = set()
        self._changed = asyncio.Event()

    def stop(self) -> None:
        """Asks every service to drain and return. Asking twice is asking once."""
        self.stopping.set()
        self._changed.set()

    async def wait_stopping(self) -> None:
        """Returns when the services are to stop."""
        await self.stopping.wait()

    def ready(self, service: str) -> None:
        """Says that the service answers calls now."""
        self._ready.add(service)
        self._changed.set()

    def unready(self, service: str) -> None:
        """Says that it cannot answer for the time being."""
        self._ready.discard(service)

    def is_ready(self, service: str) -> bool:
        """True from ready() until unready(), or until the process is asked to stop."""
        return service in self._ready and not self.stopping.is_set()

    async def wait_ready(self, services: Iterable[str]) -> bool:
        """Returns True when all of them are ready, False when the process stops before."""
        wanted = set(services)
        while not self.stopping.is_set():
            if wanted <= self._ready:
                return True
            self._changed.clear()
            await self._changed.wait()
        return False
