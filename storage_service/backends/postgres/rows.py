"""What can hot work read and write within one transaction on Postgres? Every method takes a whole group.

The transaction begins with the first lock. What comes before, new chats and contacts, commits by itself: it waits for
others that make the same chat, and whoever waits there must not hold a lock.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from typing import Any

import asyncpg

from parley.storage.v1.turn_requests_pb2 import TurnSetting
from storage_service.backends import chats
from storage_service.backends.postgres import seating
from storage_service.backends.postgres.media import PostgresMedia
from storage_service.backends.postgres.other_ids import PostgresIds
from storage_service.backends.postgres.summaries import PostgresSummaries
from storage_service.backends.postgres.writes import Writes, columns
from storage_service.backends.statements import Statements
from storage_service.backends.tables.columns import from_postgres
from storage_service.backends.written import DELIVERIES, LANES, TURNS
from storage_service.domain import leased
from storage_service.domain.accepting import Lanes, Settings
from storage_service.domain.asks import MOST_MESSAGES, Wanted
from storage_service.domain.changes import Changes
from storage_service.domain.changing import day_of
from storage_service.domain.database import Crowd, Depths, Due, Stopped
from storage_service.domain.echoes import InFlight
from storage_service.domain.late import Accepted, Digest, External
from storage_service.domain.leased import Head, Heard, Remembered, Said
from storage_service.domain.other_chats import Place
from storage_service.domain.pace import Pace, PaceKey
from storage_service.domain.receipts import Target
from storage_service.domain.rows import Attempt, Delivery, Key, Lane, Receipt, Turn
from storage_service.domain.seats import Chat, Known, Person, Seat, Sitter
from storage_service.domain.turn_work import AnsweredTurns

_wanted = attrgetter(*(field.name for field in fields(Wanted)))
_columns_of_a_lane, _columns_of_a_delivery = len(LANES.columns), len(DELIVERIES.columns)


class PostgresRows:
    """The rows of one transaction at one moment."""

    at_hand = False

    def __init__(
        self, connection: "asyncpg.Connection[Any]", statements: Statements, *, writes: Writes, now: datetime
    ) -> None:
        self._connection = connection
        self._statements = statements
        self._writes = writes
        self._begun = False
        self.now = now
        self.written: list[Changes] = []

    async def begin(self) -> None:
        if not self._begun:
            self._begun = True
            await self._connection.execute("BEGIN")

    async def commit(self) -> None:
        if self._begun:
            await self._connection.execute("COMMIT")
            self._begun = False

    async def rollback(self) -> None:
        if self._begun:
            await self._connection.execute("ROLLBACK")
            self._begun = False

    @property
    def summaries(self) -> PostgresSummaries:
        return PostgresSummaries(self.begin, self._fetch, now=self.now)

    @property
    def media(self) -> PostgresMedia:
        return PostgresMedia(self.begin, self._fetch, now=self.now)

    @property
    def ids(self) -> PostgresIds:
        return PostgresIds(self, self._fetch)

    async def let_go(self) -> None:
        await self.rollback()

    async def seats(self, sitters: Sequence[Sitter]) -> Mapping[Sitter, Seat]:
        found = await self._fetch("seats", *columns(sitters)) if sitters else []
        return {tuple(row[:4]): Seat(*row[4:]) for row in found}

    async def seat(
        self, missing: Mapping[Sitter, Seat], people: Mapping[Sitter, Person], *, new_id: Callable[[], str]
    ) -> Mapping[Chat, str]:
        """The conversations that were made."""
        return await seating.seat(self._fetch, missing, people=people, new_id=new_id, now=self.now)

    async def lanes(self, keys: Sequence[Key]) -> Mapping[Key, Lane]:
        await self.begin()
        lanes = (Lane(*row) for row in await self._by_keys("lanes", keys))
        return {lane.key: lane for lane in lanes}

    async def lanes_and_settings(self, keys: Sequence[Key]) -> tuple[Lanes, Settings]:
        await self.begin()
        found = await self._fetch("lanes_and_settings", *columns(keys), day_of(self.now)) if keys else []
        lanes = {(row[0], row[1]): Lane(*row[:_columns_of_a_lane]) for row in found}
        return lanes, {(row[0], row[1]): chats.setting(row[_columns_of_a_lane:]) for row in found}

    async def seen(self, external: Sequence[External], digests: Sequence[Digest]) -> tuple[Accepted, set[Digest]]:
        found = await self._fetch("seen", *columns(external, of=4), *columns(digests, of=2))
        erased = {(row[0], row[-1]) for row in found if row[-1] is not None}
        return {tuple(row[:4]): Known(*row[4:-1]) for row in found if row[-1] is None}, erased

    async def ready_turns(self, most: int) -> Sequence[Lane]:
        await self.begin()
        return [Lane(*row) for row in await self._fetch("ready_turns", self.now, most)]

    async def locked_turns(self, keys: Sequence[Key]) -> tuple[Mapping[Key, Lane], Mapping[Key, Turn]]:
        lanes, found = await self._locked("locked_turns", keys)
        return lanes, {key: Turn(*row) for key, row in found.items()}

    async def turns(self, keys: Sequence[Key]) -> Mapping[Key, Turn]:
        turns = (Turn(*row) for row in await self._by_keys("turns", keys))
        return {(turn.tenant_id, turn.id): turn for turn in turns}

    async def settings(self, keys: Sequence[Key]) -> Mapping[Key, TurnSetting]:
        """Of lanes that are locked already: to lock them again costs nothing."""
        return (await self.lanes_and_settings(keys))[1]

    async def heard(self, wanted: Sequence[Wanted]) -> Mapping[Key, Heard]:
        found = [(each, list[Said](), list[Remembered]()) for each in wanted]
        for which, *row in await self._fetch("heard", *columns(map(_wanted, wanted)), MOST_MESSAGES + 1):
            each, own, before = found[which - 1]
            if row[leased.ID] is None:
                before.append((row[0], row[1], row[2], row[3], row[4]))
            else:
                about = {"conversation_id": each.conversation_id, "created_at": row[4]}
                own.append(leased.said(row, provider_at=from_postgres(row[-1]), **about))
        return {(each.tenant_id, each.conversation_id): Heard(own, before) for each, own, before in found}

    async def history(self, wanted: Sequence[Wanted]) -> Mapping[Key, Sequence[Remembered]]:
        found: dict[Key, list[Remembered]] = {(each.tenant_id, each.conversation_id): [] for each in wanted}
        asked = [
            (*key, each.first_seq, each.history, each.context_seq)
            for key, each in zip(found, wanted, strict=True)
            if each.first_seq > each.context_seq + 1
        ]
        said = [found[each[:2]] for each in asked]
        for which, seq, role, text, attached, created_at in await self._by_keys("history", asked):
            said[which - 1].append((seq, role, text, attached, created_at))
        return found

    async def answered_turns(self, keys: Sequence[Key]) -> AnsweredTurns:
        cut = len(TURNS.columns)
        lanes, found = await self._locked("answered_turns", keys)
        turns = {key: Turn(*row[:cut]) for key, row in found.items()}
        return lanes, turns, {lanes[key].key: chats.answered(row[cut:]) for key, row in found.items()}

    async def unsent(self, keys: Sequence[Key]) -> Mapping[Key, Sequence[Delivery]]:
        found: dict[Key, list[Delivery]] = {key: [] for key in keys}
        for row in await self._by_keys("unsent", keys):
            delivery = Delivery(*row)
            found[delivery.tenant_id, delivery.conversation_id].append(delivery)
        return found

    async def overtaken(self, keys: Sequence[Key]) -> Set[Key]:
        return {(tenant_id, delivery_id) for tenant_id, delivery_id in await self._by_keys("overtaken", keys)}

    async def ready_deliveries(self, most: int) -> Sequence[Lane]:
        await self.begin()
        return [Lane(*row) for row in await self._fetch("ready_deliveries", self.now, most)]

    async def heads(self, keys: Sequence[Key]) -> Mapping[Key, Head]:
        cut = _columns_of_a_delivery
        found = [chats.head(Delivery(*row[:cut]), row[cut:]) for row in await self._by_keys("heads", keys)]
        return {(head.delivery.tenant_id, head.delivery.conversation_id): head for head in found}

    async def locked_deliveries(self, keys: Sequence[Key]) -> tuple[Mapping[Key, Lane], Mapping[Key, Delivery]]:
        lanes, found = await self._locked("locked_deliveries", keys)
        return lanes, {key: Delivery(*row) for key, row in found.items()}

    async def deliveries(self, keys: Sequence[Key]) -> Mapping[Key, Delivery]:
        deliveries = (Delivery(*row) for row in await self._by_keys("deliveries", keys))
        return {delivery.key: delivery for delivery in deliveries}

    async def attempts(self, keys: Sequence[Key]) -> Sequence[Attempt]:
        return [Attempt(*row) for row in await self._by_keys("attempts", keys)]

    async def targets(self, receipts: Sequence[Receipt]) -> Sequence[Target]:
        asked = [(each.tenant_id, each.account_id, *_name(each)) for each in receipts]
        return [(row[0], row[1], row[2]) for row in await self._by_keys("targets", asked)]

    async def in_flight(self, chat: Chat) -> Sequence[InFlight]:
        return [InFlight(*row) for row in await self._fetch("in_flight", *chat)]

    async def early(self, keys: Sequence[Key], provider_ids: Sequence[tuple[str, str, str]]) -> Sequence[Receipt]:
        names = [each for each in provider_ids if each[2]]
        given = (columns(keys, of=2), columns(names, of=3))
        return [Receipt(*row) for row in await self._fetch("early", *given[0], *given[1])]

    async def policies(self, accounts: Sequence[Key]) -> Mapping[Key, str]:
        return {(row[0], row[1]): row[2] for row in await self._by_keys("policies", accounts)}

    async def options(self, accounts: Sequence[Key]) -> Mapping[Key, str]:
        return {(row[0], row[1]): row[2] for row in await self._by_keys("options", accounts)}

    async def other_chats(self, asked: Sequence[tuple[str, str, str]]) -> Mapping[Key, Place]:
        found = await self._by_keys("other_chats", asked)
        return {(row[0], row[1]): Place((row[0], row[2]), *row[3:]) for row in found}

    async def paces(self, keys: Sequence[PaceKey]) -> Mapping[PaceKey, Pace]:
        await self.begin()
        found = (Pace(*row) for row in await self._by_keys("paces", keys))
        return {pace.key: pace for pace in found}

    async def write(self, changes: Changes) -> None:
        await self.begin()
        await self._writes.write(self._connection.execute, changes, now=self.now)
        self.written.append(changes)

    async def expired_turns(self, most: int) -> Sequence[Key]:
        return [(row[0], row[1]) for row in await self._fetch("expired_turns", self.now, most)]

    async def overdue_turns(self, most: int) -> Sequence[Key]:
        return [(row[0], row[1]) for row in await self._fetch("overdue_turns", self.now, most)]

    async def expired_deliveries(self, most: int) -> Sequence[Key]:
        return [(row[0], row[1]) for row in await self._fetch("expired_deliveries", self.now, most)]

    async def unmatched(self, since: datetime, most: int) -> Sequence[Receipt]:
        return [Receipt(*row) for row in await self._fetch("unmatched", since, most)]

    async def freed(self, most: int) -> Sequence[Lane]:
        await self.begin()
        return [Lane(*row) for row in await self._fetch("freed", most)]

    async def forget_raw(self, before: datetime, most: int) -> int:
        return await self._forget("forget_raw", before, most=most)

    async def forget_receipts(self, before: datetime, most: int) -> int:
        return await self._forget("forget_receipts", before, most=most)

    async def forget_requests(self, before: datetime, most: int) -> int:
        return await self._forget("forget_requests", before, most=most)

    async def forget_paces(self, before: datetime, most: int) -> int:
        return await self._forget("forget_paces", before, most=most)

    async def next_due(self) -> Due:
        (row,) = await self._fetch("next_due")
        return Due(row[0], row[1])

    async def depths(self, most: int) -> Depths:
        (row,) = await self._fetch("depths", most)
        return Depths(*row)

    async def crowds(self, least: int, most: int) -> Sequence[Crowd]:
        return [Crowd(*row) for row in await self._fetch("crowds", most, least)]

    async def stopped(self) -> Stopped:
        (row,) = await self._fetch("stopped", self.now)
        return Stopped(*row)

    async def _locked(self, name: str, keys: Sequence[Key]) -> tuple[Mapping[Key, Lane], Mapping[Key, Sequence[Any]]]:
        """Items with their lanes. Items of one conversation share its lane, so that each sees what the one before
        changed."""
        await self.begin()
        lanes: dict[Key, Lane] = {}
        by_item: dict[Key, Lane] = {}
        items: dict[Key, Sequence[Any]] = {}
        for row in await self._by_keys(name, keys):
            lane, item = Lane(*row[:_columns_of_a_lane]), row[_columns_of_a_lane:]
            key = (item[0], item[1])
            by_item[key], items[key] = lanes.setdefault(lane.key, lane), item
        return by_item, items

    async def _forget(self, name: str, before: datetime, *, most: int) -> int:
        status: str = await self._connection.execute(self._statements[name], before, most)
        return int(status.rpartition(" ")[2])

    async def _by_keys(self, name: str, keys: Sequence[Sequence[Any]]) -> list[Any]:
        return await self._fetch(name, *columns(keys)) if keys else []

    async def _fetch(self, name: str, *values: Any) -> list[Any]:
        found: list[Any] = await self._connection.fetch(self._statements[name], *values)
        return found


def _name(receipt: Receipt) -> tuple[str, str]:
    """Our own id wins: the provider's may not be known yet."""
    return (receipt.delivery_id, "") if receipt.delivery_id else ("", receipt.provider_message_id)
