"""What becomes of what waits when the machine's clock is set back? It waits for as long as it would have.

A laptop that starts with a wrong clock notes times by it until the network sets it right: a day ahead, say. What is
due "in two seconds" would be due a day later, and everything behind it.
"""

import asyncio
import sqlite3
from datetime import datetime, timedelta

from storage_service.backends.sqlite.reading import bind
from storage_service.backends.statements import Statements
from storage_service.domain.pace import STEPPED

# No lease is longer, by the contract. What was noted since the clock was set back may run: it does not end before its
# time, at the cost that after a small step a lease of before lasts for so much longer.
LONGEST_LEASE = timedelta(minutes=10)
STATEMENTS = (
    *("set_back_turn_lanes", "set_back_delivery_lanes", "set_back_turns"),
    *("set_back_deliveries", "set_back_media", "set_back_summaries"),
)


class Steps:
    """How the clock goes beside one that only goes on."""

    def __init__(self) -> None:
        self._ahead: timedelta | None = None

    def seen(self, now: datetime) -> tuple[timedelta, timedelta]:
        """By how much the clock was set back since `keep`, zero when it was not; and what to keep once that is done."""
        ahead = now - datetime.fromtimestamp(asyncio.get_running_loop().time(), now.tzinfo)
        back = timedelta() if self._ahead is None else self._ahead - ahead
        return (back if back > STEPPED else timedelta()), ahead

    def keep(self, ahead: timedelta) -> None:
        self._ahead = ahead


def set_back(connection: sqlite3.Connection, statements: Statements, *, now: datetime, step: timedelta) -> None:
    """Everything that is open."""
    micros = step // timedelta(microseconds=1)
    values = (*bind((now,)), micros, *bind((now + max(step, LONGEST_LEASE),)))
    for name in STATEMENTS:
        sql = statements[name]
        connection.execute(sql, values if "?3" in sql else values[:2])
