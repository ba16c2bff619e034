"""How much waits in a database, for whoever looks at it from outside?"""

from typing import NamedTuple

from sqlalchemy import func, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Mapped
from sqlmodel import col, select

from storage_service.backends.engines import open_engine
from storage_service.backends.tables import Delivery, Turn
from storage_service.backends.tables.work import OPEN_DELIVERY, OPEN_TURN


class OpenWork(NamedTuple):
    """What is not done yet, of all tenants, counted no further than asked."""

    turns: int
    deliveries: int


async def open_work(url: str, *, most: int) -> OpenWork:
    """Changes nothing. Raises what the driver raises when the database is away, or has no tables."""
    engine = open_engine(url, pool_size=1)
    try:
        async with engine.connect() as connection:
            turns = await _counted(connection, col(Turn.id), is_open=OPEN_TURN, most=most)
            deliveries = await _counted(connection, col(Delivery.id), is_open=OPEN_DELIVERY, most=most)
            return OpenWork(turns, deliveries)
    finally:
        await engine.dispose()


async def _counted(connection: AsyncConnection, ids: Mapped[str], *, is_open: str, most: int) -> int:
    found = select(ids).where(text(is_open)).limit(most).subquery()
    return await connection.scalar(select(func.count()).select_from(found)) or 0
