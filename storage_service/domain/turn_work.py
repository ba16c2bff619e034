"""How do workers take turns and bring them back? One transaction for all that ask at the same moment."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from kit.errors import LeaseLost
from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, TurnCommit, TurnLease, TurnSetting
from storage_service.domain import changing, handing, hearing, leased
from storage_service.domain.asks import MOST_MESSAGES, Ask, Handed, Wanted, share
from storage_service.domain.changes import Changes
from storage_service.domain.last_resort import LastResort
from storage_service.domain.leased import Answered, Heard, Said
from storage_service.domain.mutations import GUARDED, Mutations
from storage_service.domain.rows import Delivery, Key, Lane, Turn
from storage_service.domain.turns import Done, Turns

# By turn; the last by conversation.
AnsweredTurns = tuple[Mapping[Key, Lane], Mapping[Key, Turn], Mapping[Key, Answered]]


class TurnRows(Protocol):
    """What turn work needs of a transaction."""

    now: datetime

    async def ready_turns(self, most: int) -> Sequence[Lane]: ...
    async def locked_turns(self, keys: Sequence[Key]) -> tuple[Mapping[Key, Lane], Mapping[Key, Turn]]: ...
    async def answered_turns(self, keys: Sequence[Key]) -> AnsweredTurns: ...
    async def settings(self, keys: Sequence[Key]) -> Mapping[Key, TurnSetting]: ...
    async def turns(self, keys: Sequence[Key]) -> Mapping[Key, Turn]: ...
    async def heard(self, wanted: Sequence[Wanted]) -> Mapping[Key, Heard]: ...
    async def unsent(self, keys: Sequence[Key]) -> Mapping[Key, Sequence[Delivery]]: ...
    async def write(self, changes: Changes) -> None: ...


@dataclass(frozen=True, slots=True)
class TurnWork:
    """The rules of a batch."""

    new_id: Callable[[], str]
    mutations: Mutations = GUARDED
    fallback_text: str = "Sorry, I cannot answer right now. Please try again in a moment."

    async def lease(self, rows: TurnRows, asks: Sequence[Ask]) -> list[list[LeasedTurn]]:
        """Work for each ask, longest waiting first. Lanes first, locked; what hangs on them is read afterwards."""
        lanes = await rows.ready_turns(sum(ask.most for ask in asks))
        if not lanes:
            return [[] for _ in asks]
        keys = [(lane.tenant_id, _head(lane)) for lane in lanes]
        turns = await rows.turns(keys)
        settings = await rows.settings([lane.key for lane in lanes])
        chosen = [(lane, turns[lane.tenant_id, _head(lane)], ask) for lane, ask in share(lanes, asks)]
        heard = await rows.heard(
            [Wanted.of(lane, turn.id, first_seq=turn.first_seq, history=ask.history) for lane, turn, ask in chosen]
        )
        moves = self._moves(rows.now)
        filled: dict[int, list[LeasedTurn]] = {id(ask): [] for ask in asks}
        for lane, turn, ask in chosen:
            given = self._give(moves, lane, turn=turn, setting=settings[lane.key], heard=heard[lane.key], ask=ask)
            if given is not None:
                filled[id(ask)].append(given)
        await rows.write(moves.changes)
        return [filled[id(ask)] for ask in asks]

    async def extend(
        self, rows: TurnRows, leases: Sequence[TurnLease], *, worker_id: str, lease: timedelta
    ) -> list[Done]:
        lanes, turns = await self._load(rows, [(each.tenant_id, each.turn_id) for each in leases])
        moves = self._moves(rows.now)
        results = [
            moves.extend(turns.get((each.tenant_id, each.turn_id)), worker_id=worker_id, epoch=each.epoch, lease=lease)
            for each in leases
        ]
        del lanes  # Locked for the order's sake only.
        await rows.write(moves.changes)
        return results

    async def give_back(
        self, rows: TurnRows, leases: Sequence[TurnLease], *, worker_id: str, delay: timedelta
    ) -> list[Done]:
        lanes, turns = await self._load(rows, [(each.tenant_id, each.turn_id) for each in leases])
        moves = self._moves(rows.now)
        results = []
        for each in leases:
            key = (each.tenant_id, each.turn_id)
            lane = lanes.get(key)
            if lane is None:
                results.append(Done(error=LeaseLost()))
                continue
            turn = turns.get(key)
            results.append(moves.give_back(lane, turn, worker_id=worker_id, epoch=each.epoch, delay=delay))
        await rows.write(moves.changes)
        return results

    async def merge(self, rows: TurnRows, leases: Sequence[TurnLease], *, worker_id: str) -> list[Done]:
        """Gives back what comes together with what waits behind it, as one turn each."""
        lanes, turns = await self._load(rows, [(each.tenant_id, each.turn_id) for each in leases])
        behind = {(lane.tenant_id, lane.waiting_turn_id) for lane in lanes.values() if lane.waiting_turn_id}
        waiting = await rows.turns(sorted(behind)) if behind else {}
        moves = self._moves(rows.now)
        results = []
        for each in leases:
            key = (each.tenant_id, each.turn_id)
            if (lane := lanes.get(key)) is None:
                results.append(Done(error=LeaseLost()))
                continue
            other = waiting.get((lane.tenant_id, lane.waiting_turn_id or ""))
            results.append(moves.merge(lane, turns.get(key), waiting=other, worker_id=worker_id, epoch=each.epoch))
        await rows.write(moves.changes)
        return results

    async def unlease(self, rows: TurnRows, given: Sequence[LeasedTurn], *, worker_id: str) -> None:
        keys = [(each.tenant_id, each.turn_id) for each in given]
        lanes, turns = await self._load(rows, keys)
        moves = self._moves(rows.now)
        for each, key in zip(given, keys, strict=True):
            if key in lanes:
                moves.unlease(lanes[key], turns.get(key), worker_id=worker_id, epoch=each.epoch)
        await rows.write(moves.changes)

    async def commit(
        self, rows: TurnRows, commits: Sequence[tuple[str, TurnCommit]], *, senders: Sequence[Ask] = ()
    ) -> Handed[Done, LeasedDelivery]:
        """Each with the worker that brings it. Replies go to senders that wait, unless older ones do too."""
        keys = sorted({_named(item) for _, item in commits})
        lanes, turns, answered = await rows.answered_turns(keys) if senders else (*await rows.locked_turns(keys), {})
        moves = self._moves(rows.now)
        leaving = {lanes[key].key for _, item in commits if (key := _named(item)) in lanes and changing.opts_out(item)}
        if leaving:
            moves.unsent = await rows.unsent(sorted(leaving))
        results = []
        for worker_id, item in commits:
            key = _named(item)
            if (lane := lanes.get(key)) is None:
                results.append(Done(error=LeaseLost()))
                continue
            results.append(moves.commit(lane, turns.get(key), item=item, worker_id=worker_id))
        given = handing.deliveries(senders, changes=moves.changes, answered=answered, now=rows.now)
        await rows.write(moves.changes)
        return Handed(results, given)

    def _moves(self, now: datetime) -> Turns:
        return Turns(now, self.new_id, Changes(), self.mutations)

    async def _load(self, rows: TurnRows, keys: Sequence[Key]) -> tuple[Mapping[Key, Lane], Mapping[Key, Turn]]:
        return await rows.locked_turns(sorted(set(keys)))

    def _give(
        self, moves: Turns, lane: Lane, *, turn: Turn, setting: TurnSetting, heard: Heard, ask: Ask
    ) -> LeasedTurn | None:
        """Leases the head of the lane, unless it must end here: the owner has changed, or its time is over."""
        own = heard.own
        texts = [each.message.text for each in own]
        if not hearing.is_the_agents(lane, texts):
            moves.end(lane, turn, state="suppressed", reason=f"owner_{lane.owner}")
            return None
        if turn.deadline_at <= moves.now and hearing.holds_a_word(lane, texts):
            moves.put_off(lane, turn)
        elif turn.deadline_at <= moves.now:
            moves.fail(lane, turn, reason="turn_deadline", resort=LastResort.of(setting, self.fallback_text))
            return None
        if not own:
            moves.end(lane, turn, state="suppressed", reason="erased")
            return None
        if len(own) > MOST_MESSAGES:
            turn = self._split(moves, lane, turn=turn, own=own)
        own = own[:MOST_MESSAGES]
        turn.messages, turn.last_seq = len(own), own[-1].message.seq
        moves.lease(lane, turn, worker_id=ask.worker_id, lease=ask.lease)
        return leased.turn(lane, turn, setting=setting, own=own, before=heard.before)

    def _split(self, moves: Turns, lane: Lane, *, turn: Turn, own: Sequence[Said]) -> Turn:
        """The first messages go into a turn of their own; what is left waits on. Moving the few is what stays cheap."""
        rest = own[MOST_MESSAGES]
        taken = replace(turn, id=self.new_id(), epoch=0, attempts=0, state="waiting")
        last_seq = own[MOST_MESSAGES - 1].message.seq
        moves.changes.moved.append((lane.tenant_id, lane.id, turn.id, taken.id, turn.first_seq, last_seq))
        moves.changes.new_turns[taken.id] = taken
        lane.count_turn(moves.now)
        moves.changes.touch(lane, moves.now)
        turn.first_seq = rest.message.seq
        turn.correlation_id, turn.traceparent = rest.message.correlation_id, rest.traceparent
        turn.messages = lane.waiting_messages = max(1, lane.waiting_messages - MOST_MESSAGES)
        turn.deadline_at = moves.now + timedelta(seconds=turn.deadline_seconds)
        lane.waiting_since = lane.waiting_due_at = turn.due_at = moves.now
        moves.changes.turns[turn.id] = turn  # its correlation id, too
        return taken


def _named(item: TurnCommit) -> Key:
    return item.tenant_id, item.turn_id


def _head(lane: Lane) -> str:
    return lane.running_turn_id or lane.waiting_turn_id or ""
