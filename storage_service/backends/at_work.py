"""Is a storage at work on a database? Asked of the database itself, before what is open in it is ended: on which
machine one runs, nobody here may know. Of SQLite's file a lock says so: see sole.py.
"""

from asyncio import sleep
from datetime import datetime

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from storage_service.backends.engines import open_engine
from storage_service.backends.tables import Replica
from storage_service.database_url import is_postgres

# Each replica says that it lives with every beat, so one that said so twice is no memory of a backup's.
LOOKS, BETWEEN_SECONDS = 10, 0.5


async def is_at_work(url: str) -> bool:
    """At once where none was there, else after some seconds: one that was stopped a moment ago is at work no more."""
    if not is_postgres(url):
        return False
    engine = open_engine(url, pool_size=1)
    try:
        async with AsyncSession(engine) as session:
            before = await _seen(session)
            for _ in range(LOOKS if before else 0):
                await sleep(BETWEEN_SECONDS)
                if await _seen(session) != before:
                    return True
    finally:
        await engine.dispose()
    return False


async def _seen(session: AsyncSession) -> datetime | None:
    """When one was seen last."""
    async with session.begin():
        return (await session.exec(select(func.max(col(Replica.seen_at))))).one()
