"""What does the switchboard need of the world outside?"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from channels.channel import Webhook
from sandbox.files import File
from sandbox.gateway import Posted
from sandbox.provider import Later, Reading, Reply, Taken, Trying

Outcome = Reply | None  # None: the connection is cut


async def _at_once(_later: Later) -> None:
    """Where nobody waits."""


@dataclass(frozen=True, slots=True)
class World:
    """What the switchboard needs of the world outside."""

    post: Callable[[Webhook], Awaitable[Posted]]
    webhook_url: Callable[[str], str]
    base_url: Callable[[str], str]  # of a provider's API
    read: Callable[[str], Awaitable[File | None]]  # a file that a provider was given the URL of
    now: Callable[[], datetime]
    pause: Callable[[float], Awaitable[None]]
    new_id: Callable[[], str]
    changed: Callable[[], None]  # told after everything that a person could see
    wait: Callable[[Later], Awaitable[None]] = _at_once  # until there is something to tell, or it took too long

    async def done(self, wish: Reading | Trying) -> Reply | Taken:
        """What a provider does before it answers, and the answer after it."""
        if isinstance(wish, Reading):
            return wish.then(await self.read(wish.url))
        posted = await self.post(wish.webhook)
        return wish.then(posted.status, posted.problem)
