"""How are drafts at providers' kept on record, and which of them must go?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from sqlalchemy import ColumnElement
from sqlmodel import col, select

from kit import logs
from kit.moments import span
from parley.storage.v1 import signal_requests_pb2 as pb
from storage_service.backends import draft_pacing, lanes, running
from storage_service.backends.rows import Rows, Who
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import Attempt, Conversation, Delivery, Draft, Turn
from storage_service.domain.drafts import ERASED_KEPT, MOST_RETRACTIONS, Fate, Shown, again_at, fate
from storage_service.domain.rows import Key
from storage_service.domain.words import OPEN_TURN

AT_ONCE = 100
ACTOR = "drafts"


class DraftBook:
    """The record of drafts."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def look(self, worker_id: str, drafts: Sequence[pb.TurnDraft]) -> Mapping[Key, Shown]:
        """The turns that the worker still holds, in chats that are the agent's, as they were when it began, and where
        nothing waits to be sent."""
        found: dict[Key, Shown] = {}
        for tenant_id in sorted({each.tenant_id for each in drafts}):
            theirs = {each.turn_id: each for each in drafts if each.tenant_id == tenant_id}
            async with self._sessions.read(tenant_id) as rows:
                held = rows.select(Turn).where(col(Turn.id).in_(theirs), col(Turn.worker_id) == worker_id)
                turns = [each for each in await rows.all(held) if each.epoch == theirs[each.id].epoch]
                for shown in await running.shown(rows, [each for each in turns if each.state == "running"]):
                    draft = theirs[shown.signal.turn_id]
                    if draft.HasField("owner_epoch") and draft.owner_epoch != shown.signal.owner_epoch:
                        continue  # a human had it meanwhile: what it writes is thrown away
                    shown.signal.kind, shown.signal.text = pb.SIGNAL_KIND_DRAFT, draft.text
                    found[tenant_id, draft.turn_id] = shown
        return found

    async def record(self, worker_id: str, records: Sequence[pb.DraftRecord]) -> list[pb.DraftResult]:
        """What became of drafts; each granted or refused, as the contract says."""
        return [await self._sessions.write(Who(each.tenant_id, worker_id), _Record(each)) for each in records]

    async def left(self) -> list[Shown]:
        """Those that must go, each told to one caller for a while."""
        found: list[Shown] = []
        for tenant_id in await self._tenants(col(Draft.due_at) <= self._sessions.now()):
            found += await self._sessions.write(Who(tenant_id, ACTOR), _left)
        return found

    async def forget(self) -> None:
        """Gives up those of erased contacts that nobody took back in time: they say where these were to be found."""
        begun_before = self._sessions.now() - ERASED_KEPT
        for tenant_id in await self._tenants(col(Draft.created_at) <= begun_before):
            await self._sessions.write(Who(tenant_id, ACTOR), partial(_forget, begun_before=begun_before))

    async def _tenants(self, which: ColumnElement[bool]) -> Sequence[str]:
        async with self._sessions.across_tenants() as session:
            found = select(Draft.tenant_id).where(which).distinct().limit(AT_ONCE)
            return (await session.exec(found)).all()


@dataclass(frozen=True, slots=True)
class _Record:
    """One record, in a transaction of its own."""

    item: pb.DraftRecord

    async def __call__(self, rows: Rows) -> pb.DraftResult:
        known = await rows.first(rows.select(Draft).where(col(Draft.turn_id) == self.item.turn_id), lock=True)
        if self.item.state == pb.DRAFT_STATE_BEGUN:
            return await self._begun(rows, known)
        if known is None:
            return pb.DraftResult(granted=self.item.state == pb.DRAFT_STATE_GONE)
        if self.item.state == pb.DRAFT_STATE_GONE:
            await rows.change(rows.delete(Draft).where(col(Draft.turn_id) == self.item.turn_id))
            return pb.DraftResult(granted=True)
        known.state, known.provider_message_id = "shown", self.item.provider_message_id
        await rows.flush()
        return pb.DraftResult(granted=True)

    async def _begun(self, rows: Rows, known: Draft | None) -> pb.DraftResult:
        """Under the conversation's lock, as the turn's end and a take-over are: one of the two comes first."""
        if known is not None and known.worker_id != rows.who.actor:
            return pb.DraftResult(granted=False)
        paced = self.item.HasField("pacing")
        lane = await self._opened(rows) if known is None else None
        if known is not None and paced:
            lane = await rows.named(Conversation, known.conversation_id, lock=True)
        if lane is None:
            return pb.DraftResult(granted=known is not None)
        wait = await draft_pacing.wait(rows, lane, pacing=self.item.pacing) if paced else None
        if wait is not None:
            return pb.DraftResult(granted=True, wait=span(wait))
        if known is None:
            await rows.add(self._draft(rows, lane))
        return pb.DraftResult(granted=True)

    async def _opened(self, rows: Rows) -> Conversation | None:
        """The conversation of a turn that may be shown; None of any other."""
        turn = await rows.first(rows.select(Turn).where(col(Turn.id) == self.item.turn_id))
        if turn is None:
            return None
        lane = await rows.named(Conversation, turn.conversation_id, lock=True)
        turn = await rows.named(Turn, self.item.turn_id, lock=True)
        return lane if turn.state == "running" and lane.owner == "agent" and not lane.open_deliveries else None

    def _draft(self, rows: Rows, lane: Conversation) -> Draft:
        return Draft(
            tenant_id=rows.tenant_id,
            turn_id=self.item.turn_id,
            conversation_id=lane.id,
            chat_id=lane.chat_id,
            worker_id=rows.who.actor,
            owner_epoch=lane.owner_epoch,
            due_at=rows.now,
            created_at=rows.now,
        )


@dataclass(slots=True)
class _Around:
    """What is read about drafts: their turns and lanes, and what became of what those turns said."""

    turns: Mapping[str, Turn]
    lanes: Mapping[str, Conversation]
    deliveries: dict[str, list[Delivery]] = field(default_factory=dict)  # by turn
    taken: set[tuple[str, str]] = field(default_factory=set)  # delivery, the provider's id of a part

    def is_reply(self, draft: Draft) -> bool:
        """True when the provider has a part of the reply by the draft's id."""
        said = self.deliveries.get(draft.turn_id, [])
        return any((each.id, draft.provider_message_id) in self.taken for each in said)


async def _forget(rows: Rows, *, begun_before: datetime) -> None:
    drafts = await rows.all(rows.select(Draft).where(col(Draft.created_at) <= begun_before))
    theirs = rows.select(Conversation).where(col(Conversation.id).in_({each.conversation_id for each in drafts}))
    erased = {lane.id for lane in await rows.all(theirs) if lanes.is_erased(lane)}
    for draft in drafts:
        if draft.conversation_id in erased:
            logs.get("storage").warning("draft.left", turn_id=draft.turn_id, tenant=draft.tenant_id)
    await rows.change(rows.delete(Draft).where(col(Draft.conversation_id).in_(erased)))


async def _left(rows: Rows) -> list[Shown]:
    due = rows.select(Draft).where(col(Draft.due_at) <= rows.now).order_by(col(Draft.due_at)).limit(AT_ONCE)
    drafts = await rows.all(due, lock=True)
    around = await _around(rows, drafts)
    going = [draft for draft in drafts if await _goes(rows, draft, around=around)]
    await rows.flush()
    return await _retractions(rows, going, around=around)


async def _goes(rows: Rows, draft: Draft, *, around: _Around) -> bool:
    """Writes down what becomes of a draft; true when somebody is to take it back now."""
    turn, lane = around.turns.get(draft.turn_id), around.lanes.get(draft.conversation_id)
    decided, wait = fate(
        open_turn=turn is not None and turn.state in OPEN_TURN,
        same_owner=lane is not None and lane.owner_epoch == draft.owner_epoch,
        deliveries=[each.state for each in around.deliveries.get(draft.turn_id, [])],
        is_reply=around.is_reply(draft),
    )
    draft.due_at = rows.now + wait
    if decided is Fate.STAYS:
        return False
    draft.attempts += 1
    if decided is Fate.IS_THE_REPLY or lane is None or turn is None or draft.attempts > MOST_RETRACTIONS:
        if decided is Fate.GOES:
            logs.get("storage").warning("draft.left", turn_id=draft.turn_id, tenant=draft.tenant_id)
        await rows.change(rows.delete(Draft).where(col(Draft.turn_id) == draft.turn_id))
        return False
    draft.due_at = again_at(rows.now, draft.attempts)
    return True


async def _around(rows: Rows, drafts: Sequence[Draft]) -> _Around:
    ids = [each.turn_id for each in drafts]
    turns = {each.id: each for each in await rows.all(rows.select(Turn).where(col(Turn.id).in_(ids)))}
    chats = [each.conversation_id for each in drafts]
    lanes = await rows.all(rows.select(Conversation).where(col(Conversation.id).in_(chats)))
    around = _Around(turns, {each.id: each for each in lanes})
    said = await running.said(rows, [each for each in turns.values() if each.replies])
    by_id = {each.delivery_id: each.turn_id or "" for each in said if each.delivery_id}
    for delivery in await rows.all(rows.select(Delivery).where(col(Delivery.id).in_(by_id))):
        around.deliveries.setdefault(by_id[delivery.id], []).append(delivery)
    sent = rows.select(Attempt).where(col(Attempt.delivery_id).in_(by_id), col(Attempt.outcome) == "sent")
    around.taken = {(each.delivery_id, each.provider_message_id) for each in await rows.all(sent)}
    return around


async def _retractions(rows: Rows, going: Sequence[Draft], *, around: _Around) -> list[Shown]:
    known = {each.turn_id: each for each in going}
    found = await running.shown(rows, [around.turns[each] for each in known], only_free=False)
    for shown in found:
        shown.signal.kind = pb.SIGNAL_KIND_RETRACT
        draft = known[shown.signal.turn_id]
        shown.signal.draft_message_id = draft.provider_message_id
        shown.signal.chat_id = draft.chat_id or shown.signal.chat_id
    return found
