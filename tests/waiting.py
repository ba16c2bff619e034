"""Waits until something else has brought about what a test then looks at."""

import asyncio
from collections.abc import Callable

from tests.stalls import PATIENCE_SECONDS

LOOK_SECONDS = 0.005


async def until(condition: Callable[[], object], within_seconds: float = PATIENCE_SECONDS) -> None:
    """Another task, thread or process. The limit ends a test that would hang."""
    async with asyncio.timeout(within_seconds):
        while not condition():
            await asyncio.sleep(LOOK_SECONDS)
