"""When does a replica hear what others cry? As soon as it listens, of which it makes its own bells ring."""

import asyncio

from storage_service.domain.wakeups import Wakeups


async def until_they_hear(*replicas: Wakeups) -> None:
    """All of these, which have just begun; their bells are silent again."""
    while not all(each.turns.rung for each in replicas):
        await asyncio.sleep(0.01)
    for each in replicas:
        for bell in (each.turns, each.deliveries, each.fetches, each.summaries):
            bell.hush()
