"""What does an accepted webhook change? Each message gets its place, once, and a turn that answers it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import orjson

from kit.errors import NotFound, ParleyError, StorageUnavailable
from kit.moments import moment
from parley.chat.v1.message_pb2 import ChannelMessage
from parley.storage.v1.inbox_service_pb2 import AcceptedMessage, Submission, SubmissionResult
from parley.storage.v1.turn_requests_pb2 import TurnSetting
from storage_service.domain import (
    called_off,
    changing,
    duplicates,
    echoes,
    handing,
    hearing,
    media,
    receipts,
    seating,
    second_tries,
    taken_back,
)
from storage_service.domain.asks import Ask, Handed
from storage_service.domain.changes import Changes
from storage_service.domain.handing import GivenTurn
from storage_service.domain.late import External
from storage_service.domain.mutations import GUARDED, Mutations
from storage_service.domain.new_rows import new_turn
from storage_service.domain.rows import Key, Lane, Message, RawPayload, Receipt
from storage_service.domain.seats import Known, Seat, Sitter, insisting, place
from storage_service.domain.tombstones import Tombstones
from storage_service.domain.turns import Turns
from storage_service.domain.words import UNAUTHORIZED

Lanes = Mapping[Key, Lane]
Settings = Mapping[Key, TurnSetting]

# A chatterbox is answered at the latest after this many quiet windows.
LONGEST_BURST = 5
# So often is a place looked for again that was erased while its lock was waited for.
MOST_SEATINGS = 3
RETRY_AFTER = timedelta(seconds=1)


class AcceptRows(handing.HistoryRows, echoes.EchoRows, seating.SeatRows, called_off.LeavingRows, Protocol):
    """What accepting needs of a transaction."""

    async def lanes_and_settings(self, keys: Sequence[Key]) -> tuple[Lanes, Settings]: ...
    async def let_go(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Acceptance:
    """How messages are accepted."""

    new_id: Callable[[], str]
    tombstones: Tombstones
    mutations: Mutations = GUARDED
    # How long a turn waits for the attachments of its messages.
    media_wait: timedelta = timedelta(seconds=10)

    async def accept(
        self, rows: AcceptRows, submissions: Sequence[Submission], *, workers: Sequence[Ask] = ()
    ) -> Handed[SubmissionResult | ParleyError, GivenTurn]:
        """Everything in one transaction. Nothing is locked but conversations, in the order of their ids.

        New turns go to workers that wait, unless older ones do too.
        """
        ours = await echoes.ours(rows, submissions, new_id=self.new_id)
        said = [*ours.values(), *(receipt for each in submissions for receipt in self._receipts(each, rows.now))]
        targets = await rows.targets(said) if said else []
        seats, lanes, settings = await self._locked(rows, submissions, targets=targets, handing=bool(workers))
        stones = self.tombstones if self.mutations.dedupe else None
        known = {**await duplicates.find(rows, submissions, seats=seats, tombstones=stones), **dict.fromkeys(ours)}
        changes = Changes()
        arrival = _Arrival(self, rows.now, seats, lanes, known, changes)
        results = [arrival.take(each) for each in submissions]
        await receipts.apply(rows, said, targets=targets, lanes=lanes, changes=changes)
        moves = Turns(rows.now, self.new_id, changes, self.mutations)
        await called_off.leave(rows, arrival.leaving, moves=moves)
        given = await handing.turns(rows, workers, moves=moves, settings=settings)
        await rows.write(changes)
        return Handed(results, given)

    def _receipts(self, submission: Submission, now: datetime) -> list[Receipt]:
        return receipts.rows_of(
            submission.receipts,
            tenant_id=submission.tenant_id,
            account_id=submission.account_id,
            now=now,
            new_id=self.new_id,
        )

    async def _locked(
        self, rows: AcceptRows, submissions: Sequence[Submission], *, targets: Sequence[receipts.Target], handing: bool
    ) -> tuple[Mapping[Sitter, Seat], Lanes, Settings]:
        """Seats and their lanes. Who finds that others made the chat, or erased it, before its lock was ours is seated
        anew."""
        seats, lanes, settings = await self._held(rows, submissions, targets=targets, handing=handing)
        for _ in range(MOST_SEATINGS - 1):
            if all(_is_theirs(sitter, seats, lanes=lanes) for each in submissions for sitter in insisting(each)):
                break
            await rows.let_go()
            seats, lanes, settings = await self._held(rows, submissions, targets=targets, handing=handing)
        return seats, lanes, settings

    async def _held(
        self, rows: AcceptRows, submissions: Sequence[Submission], *, targets: Sequence[receipts.Target], handing: bool
    ) -> tuple[Mapping[Sitter, Seat], Lanes, Settings]:
        stones = self.tombstones if self.mutations.dedupe else None
        seats = await seating.seated(rows, submissions, new_id=self.new_id, tombstones=stones)
        chats = {(sitter[0], seat.conversation_id) for sitter, seat in seats.items() if seat.conversation_id}
        keys = sorted(chats | {(tenant_id, chat) for tenant_id, _, chat in targets})
        lanes, settings = await rows.lanes_and_settings(keys) if handing else (await rows.lanes(keys), {})
        return seats, lanes, settings


@dataclass(slots=True)
class _Arrival:
    """One group on its way in."""

    how: Acceptance
    now: datetime
    seats: Mapping[Sitter, Seat]
    lanes: Mapping[Key, Lane]
    known: dict[External, Known | None]
    changes: Changes
    leaving: dict[Key, Lane] = field(default_factory=dict)  # who want no more messages

    def take(self, submission: Submission) -> SubmissionResult | ParleyError:
        account = self.seats.get((submission.tenant_id, submission.account_id, "", ""))
        if account is None or account.account_state == "disabled":
            return NotFound("no such channel account", metadata={"resource": "channel_account"})
        if not all(_is_theirs(sitter, self.seats, lanes=self.lanes) for sitter in insisting(submission)):
            return StorageUnavailable("the chat is being erased", retry_after=RETRY_AFTER)
        if submission.HasField("access_ended_at"):
            why = (UNAUTHORIZED, moment(submission.access_ended_at))
            self.changes.paused[submission.tenant_id, submission.account_id] = why
        accepted = [self._message(submission, message) for message in submission.messages]
        if submission.unreadable or (submission.raw_payload and submission.messages):
            self._keep_raw(submission, accepted)
        return SubmissionResult(messages=accepted)

    def _message(self, submission: Submission, message: ChannelMessage) -> AcceptedMessage:
        sitter = (submission.tenant_id, submission.account_id, message.chat_id, message.sender_id)
        if message.takes_back:
            return AcceptedMessage(passed_over=True, conversation_id=taken_back.where(self.seats.get(sitter)))
        external = duplicates.external_ids(submission, message, seats=self.seats)
        for each in external:
            if each in self.known:
                return duplicates.answer_again(self.known[each], message)
        seat = self.seats[sitter]
        if message.only_if_known and not (seat.conversation_id and _is_theirs(sitter, self.seats, lanes=self.lanes)):
            return AcceptedMessage(passed_over=True)
        lane = self.lanes[(submission.tenant_id, seat.conversation_id or "")]
        if hearing.has_rested(lane, seat, now=self.now):
            lane.context_seq = lane.next_seq - 1
        row = self._row(lane, message, known_by=external[-1])
        fetches = [] if message.from_bot else media.wanted(row, message.attachments, new_id=self.how.new_id)
        self.changes.new_media += fetches
        if hearing.is_answered(lane, message):
            if fetches:
                lane.hold(self.now + self.how.media_wait)
            row.turn_id = self._turn(lane, seat, row=row)
        if not (message.from_bot or message.from_team or message.no_turn):  # Only words open a reply window.
            lane.last_inbound_seq, lane.last_inbound_at = row.seq, self.now
        if hearing.is_obeyed(lane, message):
            changing.set_opting(lane, out=message.opted_out, changes=self.changes, now=self.now)
            self.leaving |= {lane.key: lane} if message.opted_out else {}
        self.changes.messages.append(row)
        self.changes.touch(lane, self.now)
        known = Known(row.id, lane.id, row.seq, row.turn_id, row.text, self.now)
        if self.how.mutations.dedupe:
            self.known[external[-1]] = known
        return duplicates.answer(known)

    def _row(self, lane: Lane, message: ChannelMessage, *, known_by: External) -> Message:
        received_at = moment(message.received_at) if message.HasField("received_at") else self.now
        return Message(
            lane.tenant_id,
            self.how.new_id(),
            lane.id,
            lane.take_seq(),
            "operator" if message.from_team else "contact",
            message.text,
            media.written(message.attachments),
            orjson.dumps(dict(message.metadata)).decode() if message.metadata else None,
            lane.account_id,
            known_by[2],
            message.sender_id,
            known_by[3] if self.how.mutations.dedupe else None,
            message.reply_to_provider_message_id,
            hearing.spoken_at(message, received_at, now=self.now),
            received_at,
            self.now,
            None,
            None,
            message.correlation_id,
            message.traceparent,
        )

    def _turn(self, lane: Lane, seat: Seat, *, row: Message) -> str:
        """The turn that waits, grown by one message, or a new one."""
        if lane.waiting_turn_id is None:
            return self._new_turn(lane, seat, row=row)
        if second_tries.is_early(lane, self.now):
            lane.waiting_since, lane.waiting_due_at = self.now, None
        latest = (lane.waiting_since or self.now) + LONGEST_BURST * seat.quiet
        due_at = max(lane.waiting_due_at or self.now, min(self.now + seat.quiet, latest))
        lane.waiting_messages += 1
        lane.set_due(due_at)
        due_at = max(due_at, lane.held_until or due_at)
        turn_id = lane.waiting_turn_id
        if new := self.changes.new_turns.get(turn_id):
            new.messages, new.last_seq, new.due_at = lane.waiting_messages, row.seq, due_at
            new.deadline_at = due_at + timedelta(seconds=new.deadline_seconds)
        else:
            grown = (lane.tenant_id, turn_id, due_at, lane.waiting_messages, row.seq, due_at)
            self.changes.waiting[turn_id] = grown
        return turn_id

    def _new_turn(self, lane: Lane, seat: Seat, *, row: Message) -> str:
        due_at = self.now + seat.quiet
        held = max(due_at, lane.held_until or due_at)
        turn = new_turn(lane, row, turn_id=self.how.new_id(), due_at=held, deadline_seconds=seat.deadline_seconds)
        self.changes.new_turns[turn.id] = turn
        lane.count_turn(self.now)
        lane.wait(turn.id, since=self.now, due_at=due_at, messages=1)
        return turn.id

    def _keep_raw(self, submission: Submission, accepted: Sequence[AcceptedMessage]) -> None:
        if accepted and all(each.duplicate or each.passed_over for each in accepted):
            return
        conversation_id = accepted[0].conversation_id if accepted else ""
        raw = RawPayload(
            submission.tenant_id,
            self.how.new_id(),
            submission.account_id,
            conversation_id,
            submission.raw_payload,
            submission.unreadable,
            submission.correlation_id,
            self.now,
        )
        self.changes.raw_payloads.append(raw)


def _is_theirs(sitter: Sitter, seats: Mapping[Sitter, Seat], *, lanes: Mapping[Key, Lane]) -> bool:
    """An erasure takes a conversation's chat away, perhaps between the look for a seat and the lock of its lane."""
    seat = seats.get(sitter)
    # Of an account that takes nothing it is said elsewhere.
    if seat is None or not sitter[2] or seat.account_state == "disabled":
        return True
    lane = lanes.get((sitter[0], seat.conversation_id or ""))
    if lane is None or seat.has_moved:
        return lane is not None and not lane.is_erased
    return lane.chat_id == place(sitter, seat)[2]
