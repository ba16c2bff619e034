"""Who tells storage how accounts stand? One task beside the server, every few seconds, and once more at the end."""

import asyncio

from gateway.backends.directory import Directory
from gateway.domain.signs import Signs
from kit import errors, logs

EVERY_SECONDS = 5.0

log = logs.get("gateway")


async def keep_telling(signs: Signs, directory: Directory) -> None:
    """Until it is cancelled. Storage that is away is told later."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        await tell(signs, directory)


async def tell(signs: Signs, directory: Directory) -> None:
    """What is due."""
    reports = signs.due()
    if not reports:
        return
    try:
        await directory.report(reports)
    except errors.ParleyError as error:
        signs.take_back(reports)
        log.info("accounts.not_told", reason=error.name)
