"""Does a Postgres take what is written? Tried with a few rows that are gone at once: reading says nothing of it."""

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from storage_service.backends.engines import open_engine
from storage_service.backends.unusable import NOT_ALLOWED, code_of, why

# A few pages of rows, so that the server asks its disk for room.
PROBE = """
CREATE TEMPORARY TABLE parley_probe ON COMMIT DROP AS
SELECT md5(n::text || m::text) AS kept FROM generate_series(1, 40) AS n, generate_series(1, 40) AS m
"""


async def obstacle(url: str) -> str:
    """Why nothing can be written; empty when it can, or when this user may not try it."""
    engine = open_engine(url, pool_size=1)
    try:
        async with engine.connect() as connection:
            await connection.execute(text(PROBE))
            await connection.rollback()
    except DBAPIError as error:
        return "" if code_of(error) == NOT_ALLOWED else why(error)
    finally:
        await engine.dispose()
    return ""
