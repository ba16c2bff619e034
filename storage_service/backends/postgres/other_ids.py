"""What does an account know of two ids that are one person's, on Postgres?

Contacts are locked before ids, as an erasure does, and before any lane.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

from storage_service.domain.other_ids import Begun, KnownId, Pair, Union


class Transaction(Protocol):
    """One that may begin and end more than once."""

    now: datetime

    async def begin(self) -> None: ...
    async def commit(self) -> None: ...
    async def let_go(self) -> None: ...


class PostgresIds:
    """The ids, in a transaction of their own."""

    def __init__(self, transaction: Transaction, fetch: Callable[..., Awaitable[Sequence[Any]]]) -> None:
        self._transaction = transaction
        self._fetch = fetch

    async def hold(self, pair: Pair) -> tuple[Sequence[KnownId], Sequence[Begun]]:
        await self._transaction.begin()
        both = (pair.tenant_id, pair.account_id, pair.first, pair.second)
        ids = [KnownId(*row) for row in await self._fetch("hold_ids", *both)]
        # By a statement of its own: the one before saw what it does not lock as it was before it waited.
        return ids, [Begun(*row) for row in await self._fetch("begun", *both)]

    async def unite(self, pair: Pair, union: Union) -> None:
        contact_id, left = union.contact_id, union.left_contact_id
        for each in union.new:
            phone = pair.phone if each == pair.first else ""
            of_account = (pair.tenant_id, pair.account_id, each, pair.channel)
            await self._fetch("add_id", *of_account, phone, contact_id, self._transaction.now)
        if left:
            await self._fetch("move_ids", pair.tenant_id, left, contact_id)
            await self._fetch("move_chats", pair.tenant_id, left, contact_id)
            await self._fetch("leave_contact", pair.tenant_id, left)
        both = (pair.tenant_id, pair.account_id, pair.first, pair.second)
        await self._fetch("lead_ids", *both, contact_id, union.chat_id)
        await self._transaction.commit()

    async def let_go(self) -> None:
        await self._transaction.let_go()
