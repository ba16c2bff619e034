"""What can hot work read and write within one transaction on SQLite? Nothing here waits.

The methods are coroutines because the rules are shared with Postgres; none of them ever suspends.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from datetime import datetime, timedelta
from typing import Any

from parley.storage.v1.turn_requests_pb2 import TurnSetting
from storage_service.backends import chats
from storage_service.backends.sqlite.media import SqliteMedia
from storage_service.backends.sqlite.other_ids import SqliteIds
from storage_service.backends.sqlite.reading import maybe, reader, remembered
from storage_service.backends.sqlite.stepping import set_back
from storage_service.backends.sqlite.summaries import SqliteSummaries
from storage_service.backends.sqlite.writes import Writes
from storage_service.backends.statements import Statements
from storage_service.backends.tables.columns import from_micros, to_micros
from storage_service.backends.written import ATTEMPTS, DELIVERIES, LANES, PACES, RECEIPTS, TURNS
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

_lane = reader(Lane, LANES)
_turn = reader(Turn, TURNS)
_delivery = reader(Delivery, DELIVERIES)
_attempt = reader(Attempt, ATTEMPTS)
_receipt = reader(Receipt, RECEIPTS)
_pace = reader(Pace, PACES)
_columns_of_a_delivery = len(DELIVERIES.columns)


class SqliteRows:
    """The rows of one transaction at one moment."""

    at_hand = True

    def __init__(
        self, connection: sqlite3.Connection, statements: Statements, *, writes: Writes, now: datetime
    ) -> None:
        self._connection = connection
        self._statements = statements
        self._writes = writes
        self.now = now
        self.written: list[Changes] = []

    @property
    def summaries(self) -> SqliteSummaries:
        return SqliteSummaries(self._all, now=self.now)

    @property
    def media(self) -> SqliteMedia:
        return SqliteMedia(self._run, now=self.now)

    @property
    def ids(self) -> SqliteIds:
        return SqliteIds(self._run, now=self.now)

    async def let_go(self) -> None:
        """Nothing to let go: the file's one writer sees no change of others between two statements."""

    async def seats(self, sitters: Sequence[Sitter]) -> Mapping[Sitter, Seat]:
        found = ((sitter, self._one("seat", sitter)) for sitter in sitters)
        return {sitter: Seat(*row) for sitter, row in found if row}

    async def seat(
        self, missing: Mapping[Sitter, Seat], people: Mapping[Sitter, Person], *, new_id: Callable[[], str]
    ) -> Mapping[Chat, str]:
        """The conversations that were made. Those with two ids come first; of whom one id is theirs already gets none,
        and the next look finds whose they are."""
        now = to_micros(self.now)
        contacts: dict[tuple[str, ...], str] = {}
        others: set[tuple[str, ...]] = set()
        made: dict[Chat, str] = {}
        for sitter in sorted(missing, key=lambda each: each not in people or not people[each].other_id):
            seat, account, chat, sender_id = missing[sitter], sitter[:2], sitter[:3], sitter[3]
            person = (*account, sender_id)
            contact_id = seat.contact_id or contacts.get(person)
            if contact_id is None:
                who = people[sitter]
                other = (*account, who.other_id)
                if other in contacts:
                    continue
                contact_id = contacts[person] = new_id()
                self._run("add_contact", (sitter[0], contact_id, who.name, now))
                self._run("add_identity", (*person, seat.channel, who.phone, contact_id, "", now))
                if who.other_id:
                    contacts[other] = contact_id
                    others.add(other)
                    self._run("add_identity", (*other, seat.channel, "", contact_id, sender_id, now))
            renamed = person in others and sitter[2] == sender_id
            if seat.conversation_id is None and chat not in made and not renamed:
                made[chat] = new_id()
                row = (sitter[0], made[chat], sitter[1], seat.channel, sitter[2], contact_id, seat.agent_id)
                self._run("add_conversation", (*row, seat.prompt_version_id, now, now))
        return made

    async def lanes(self, keys: Sequence[Key]) -> Mapping[Key, Lane]:
        return {key: _lane(row) for key, row in self._each("lane", keys)}

    async def lanes_and_settings(self, keys: Sequence[Key]) -> tuple[Lanes, Settings]:
        return await self.lanes(keys), await self.settings(keys)

    async def seen(self, external: Sequence[External], digests: Sequence[Digest]) -> tuple[Accepted, set[Digest]]:
        accepted = {key: _known(row) for key, row in self._each("known", external)}
        return accepted, {digest for digest, _ in self._each("erased", digests)}

    async def ready_turns(self, most: int) -> Sequence[Lane]:
        return [_lane(row) for row in self._all("ready_turns", (to_micros(self.now), most))]

    async def locked_turns(self, keys: Sequence[Key]) -> tuple[Mapping[Key, Lane], Mapping[Key, Turn]]:
        return _shared(self._each("lane_of_turn", keys)), await self.turns(keys)

    async def turns(self, keys: Sequence[Key]) -> Mapping[Key, Turn]:
        return {key: _turn(row) for key, row in self._each("turn", keys)}

    async def settings(self, keys: Sequence[Key]) -> Mapping[Key, TurnSetting]:
        today = day_of(self.now)
        return {each[:2]: chats.setting(row) for each, row in self._each("setting", [(*key, today) for key in keys])}

    async def heard(self, wanted: Sequence[Wanted]) -> Mapping[Key, Heard]:
        return {(each.tenant_id, each.conversation_id): self._heard(each) for each in wanted}

    async def history(self, wanted: Sequence[Wanted]) -> Mapping[Key, Sequence[Remembered]]:
        return {(each.tenant_id, each.conversation_id): self._before(each) for each in wanted}

    async def answered_turns(self, keys: Sequence[Key]) -> AnsweredTurns:
        lanes, turns = await self.locked_turns(keys)
        asked = ((*lane.key, lane.account_id, turns[key].last_seq) for key, lane in lanes.items())
        return lanes, turns, {each[:2]: chats.answered(row) for each, row in self._each("answered", asked)}

    async def unsent(self, keys: Sequence[Key]) -> Mapping[Key, Sequence[Delivery]]:
        return {key: [_delivery(row) for row in self._all("unsent", key)] for key in keys}

    async def overtaken(self, keys: Sequence[Key]) -> Set[Key]:
        return {key for key, _ in self._each("overtaken", keys)}

    async def ready_deliveries(self, most: int) -> Sequence[Lane]:
        return [_lane(row) for row in self._all("ready_deliveries", (to_micros(self.now), most))]

    async def heads(self, keys: Sequence[Key]) -> Mapping[Key, Head]:
        cut = _columns_of_a_delivery
        return {key: chats.head(_delivery(row[:cut]), row[cut:]) for key, row in self._each("head", keys)}

    async def locked_deliveries(self, keys: Sequence[Key]) -> tuple[Mapping[Key, Lane], Mapping[Key, Delivery]]:
        return _shared(self._each("lane_of_delivery", keys)), await self.deliveries(keys)

    async def deliveries(self, keys: Sequence[Key]) -> Mapping[Key, Delivery]:
        return {key: _delivery(row) for key, row in self._each("delivery", keys)}

    async def attempts(self, keys: Sequence[Key]) -> Sequence[Attempt]:
        return [_attempt(row) for key in keys for row in self._all("attempts", key)]

    async def targets(self, receipts: Sequence[Receipt]) -> Sequence[Target]:
        found: set[Target] = set()
        for each in receipts:
            by_id = ("target_by_id", (each.tenant_id, each.delivery_id, each.account_id))
            by_provider = ("target_by_provider", (each.tenant_id, each.account_id, each.provider_message_id))
            found.update(self._all(*(by_id if each.delivery_id else by_provider)))
        return sorted(found)

    async def in_flight(self, chat: Chat) -> Sequence[InFlight]:
        return [InFlight(*row) for row in self._all("in_flight", chat)]

    async def early(self, keys: Sequence[Key], provider_ids: Sequence[tuple[str, str, str]]) -> Sequence[Receipt]:
        found = [row for key in keys for row in self._all("early_by_delivery", key)]
        found += [row for each in provider_ids for row in self._all("early_by_provider", each)]
        return list({receipt.id: receipt for receipt in map(_receipt, found)}.values())

    async def policies(self, accounts: Sequence[Key]) -> Mapping[Key, str]:
        return {key: row[0] for key, row in self._each("policy", accounts)}

    async def options(self, accounts: Sequence[Key]) -> Mapping[Key, str]:
        return {key: row[0] for key, row in self._each("options", accounts)}

    async def other_chats(self, asked: Sequence[tuple[str, str, str]]) -> Mapping[Key, Place]:
        return {each[:2]: Place((each[0], row[0]), *row[1:]) for each, row in self._each("other_chat", asked)}

    async def paces(self, keys: Sequence[PaceKey]) -> Mapping[PaceKey, Pace]:
        return {key: _pace(row) for key, row in self._each("pace", keys)}

    async def write(self, changes: Changes) -> None:
        self._writes.write(self._connection, changes, now=self.now)
        self.written.append(changes)

    async def expired_turns(self, most: int) -> Sequence[Key]:
        return self._all("expired_turns", (to_micros(self.now), most))

    async def overdue_turns(self, most: int) -> Sequence[Key]:
        return self._all("overdue_turns", (to_micros(self.now), most))

    async def expired_deliveries(self, most: int) -> Sequence[Key]:
        return self._all("expired_deliveries", (to_micros(self.now), most))

    async def unmatched(self, since: datetime, most: int) -> Sequence[Receipt]:
        return [_receipt(row) for row in self._all("unmatched", (to_micros(since), most))]

    async def freed(self, most: int) -> Sequence[Lane]:
        return [_lane(row) for row in self._all("freed", (most,))]

    async def forget_raw(self, before: datetime, most: int) -> int:
        return self._run("forget_raw", (to_micros(before), most)).rowcount

    async def forget_receipts(self, before: datetime, most: int) -> int:
        return self._run("forget_receipts", (to_micros(before), most)).rowcount

    async def forget_requests(self, before: datetime, most: int) -> int:
        return self._run("forget_requests", (to_micros(before), most)).rowcount

    async def forget_paces(self, before: datetime, most: int) -> int:
        return self._run("forget_paces", (to_micros(before), most)).rowcount

    async def next_due(self) -> Due:
        turn, delivery = self._one("next_turn", ()), self._one("next_delivery", ())
        return Due(maybe(turn[0]), maybe(delivery[0]))

    async def depths(self, most: int) -> Depths:
        turns, oldest = self._one("open_turns", (most,))
        (deliveries,) = self._one("open_deliveries", (most,))
        return Depths(turns, deliveries, maybe(oldest), (await self.next_due()).delivery_at)

    async def crowds(self, least: int, most: int) -> Sequence[Crowd]:
        return [Crowd(*row) for row in self._all("crowds", (most, least))]

    async def stopped(self) -> Stopped:
        return Stopped(*self._one("stopped", (to_micros(self.now),)))

    def _heard(self, wanted: Wanted) -> Heard:
        chat = (wanted.tenant_id, wanted.conversation_id)
        own = self._all("own", (*chat, wanted.first_seq, wanted.turn_id, MOST_MESSAGES + 1))
        last_seq = own[-1][0] if own else wanted.first_seq
        history = self._all("history", (*chat, last_seq, wanted.turn_id, wanted.history, wanted.context_seq))
        if wanted.history and wanted.last_reply_seq > last_seq:
            history = [*self._all("reply", (*chat, wanted.last_reply_seq)), *history][: wanted.history]
        return Heard([_said(row, chat[1]) for row in own], [*map(remembered, history)])

    def _before(self, wanted: Wanted) -> list[Remembered]:
        if wanted.first_seq <= wanted.context_seq + 1:
            return []
        chat = (wanted.tenant_id, wanted.conversation_id)
        asked = (*chat, wanted.first_seq, wanted.turn_id, wanted.history, wanted.context_seq)
        return [*map(remembered, self._all("history", asked))]

    async def set_back(self, step: timedelta) -> None:
        set_back(self._connection, self._statements, now=self.now, step=step)

    def _run(self, name: str, values: Sequence[Any]) -> sqlite3.Cursor:
        return self._connection.execute(self._statements[name], values)

    def _one(self, name: str, values: Sequence[Any]) -> Any:
        return self._run(name, values).fetchone()

    def _all(self, name: str, values: Sequence[Any]) -> list[Any]:
        return self._run(name, values).fetchall()

    def _each(self, name: str, keys: Iterable[Any]) -> list[tuple[Any, Any]]:
        """Runs the statement for each key and keeps those that found a row."""
        execute, sql = self._connection.execute, self._statements[name]
        found = ((key, execute(sql, key).fetchone()) for key in keys)
        return [(key, row) for key, row in found if row is not None]


def _shared(found: Iterable[tuple[Key, Any]]) -> dict[Key, Lane]:
    """Several items of one conversation share its lane, so that each sees what the one before changed."""
    lanes: dict[Key, Lane] = {}
    by_item: dict[Key, Lane] = {}
    for key, row in found:
        lane = _lane(row)
        by_item[key] = lanes.setdefault(lane.key, lane)
    return by_item


def _said(row: Sequence[Any], conversation_id: str) -> Said:
    at = {"created_at": from_micros(row[4]), "provider_at": from_micros(row[-1])}
    return leased.said(row, conversation_id=conversation_id, **at)


def _known(row: Sequence[Any]) -> Known:
    return Known(row[0], row[1], row[2], row[3], row[4], from_micros(row[5]))
