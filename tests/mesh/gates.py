"""Where does the stepped agent ask whether it may go on? A turn that is to be held waits there until it is let go."""

import asyncio
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Gate:
    """One stop of one person's turn."""

    step: str
    conversation_id: str = ""  # known once the turn is there
    opened: asyncio.Event = field(default_factory=asyncio.Event)


class Gates:
    """A loopback server. A turn is known by what its messages say, and is held once."""

    def __init__(self) -> None:
        self._gates: dict[str, Gate] = {}
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/", self._ask)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"

    async def stop(self) -> None:
        await self.let_all_go()
        if self._runner is not None:
            await self._runner.cleanup()

    async def hold(self, words: str, step: str) -> None:
        """The turn of the message that has these words in it waits at this step."""
        self._gates[words] = Gate(step)

    async def let_go(self, words: str) -> None:
        self._gates.pop(words).opened.set()

    async def let_all_go(self) -> None:
        for words in list(self._gates):
            await self.let_go(words)

    def held(self, words: str) -> str:
        """The conversation whose turn waits; empty when none does."""
        return self._gates[words].conversation_id

    async def _ask(self, request: web.Request) -> web.Response:
        asked = await request.json()
        for words, gate in self._gates.items():
            if words in asked["said"] and gate.step == asked["step"] and not gate.conversation_id:
                gate.conversation_id = asked["conversation"]
                await gate.opened.wait()
                break
        return web.Response()
