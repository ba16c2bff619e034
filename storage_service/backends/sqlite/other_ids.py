"""What does an account know of two ids that are one person's, on SQLite? Its one writer needs no locks."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from storage_service.backends.tables.columns import from_micros, to_micros
from storage_service.domain.other_ids import Begun, KnownId, Pair, Union


class SqliteIds:
    """The ids within one transaction."""

    def __init__(self, run: Callable[[str, Sequence[Any]], sqlite3.Cursor], *, now: datetime) -> None:
        self._run = run
        self._now = now

    async def hold(self, pair: Pair) -> tuple[Sequence[KnownId], Sequence[Begun]]:
        both = (pair.tenant_id, pair.account_id, pair.first, pair.second)
        chats = [Begun(row[0], row[1], from_micros(row[2])) for row in self._run("begun", both)]
        return [KnownId(*row) for row in self._run("ids", both)], chats

    async def unite(self, pair: Pair, union: Union) -> None:
        contact_id, left = union.contact_id, union.left_contact_id
        for each in union.new:
            phone = pair.phone if each == pair.first else ""
            of_account = (pair.tenant_id, pair.account_id, each, pair.channel)
            self._run("add_identity", (*of_account, phone, contact_id, "", to_micros(self._now)))
        if left:
            self._run("move_ids", (pair.tenant_id, left, contact_id))
            self._run("move_chats", (pair.tenant_id, left, contact_id))
            self._run("leave_contact", (pair.tenant_id, left))
        both = (pair.tenant_id, pair.account_id, pair.first, pair.second)
        self._run("lead_ids", (*both, contact_id, union.chat_id))

    async def let_go(self) -> None:
        """Nothing is held."""
