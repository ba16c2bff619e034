"""What does a receipt change? Its delivery's status, upwards only; one that comes too early waits.

A receipt finds its attempt by our delivery id, when the provider carries it back, or by the provider's own id.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from kit.moments import moment
from parley.chat.v1 import message_pb2 as chat
from storage_service.domain import broken_off, called_off, reply_windows, undelivered
from storage_service.domain.changes import Changes
from storage_service.domain.changing import OPTED_OUT
from storage_service.domain.holding import end_waiting
from storage_service.domain.rows import Attempt, Delivery, Key, Lane, Receipt
from storage_service.domain.standing import TAKEN, standing
from storage_service.domain.turns import Turns
from storage_service.domain.words import DELIVERY_WORD, RANK

Target = tuple[str, str, str]  # tenant_id, delivery_id, conversation_id


class ReceiptRows(called_off.LeavingRows, undelivered.OptionRows, broken_off.OvertakenRows, Protocol):
    """What joining receipts needs of a transaction."""

    now: datetime

    async def lanes(self, keys: Sequence[Key]) -> Mapping[Key, Lane]: ...
    async def targets(self, receipts: Sequence[Receipt]) -> Sequence[Target]: ...
    async def deliveries(self, keys: Sequence[Key]) -> Mapping[Key, Delivery]: ...
    async def attempts(self, keys: Sequence[Key]) -> Sequence[Attempt]: ...
    async def write(self, changes: Changes) -> None: ...


@dataclass(slots=True)
class ReadUpTo(Receipt):
    """One that stands for the parts before its own as well. It is kept as any other."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of what receipts may be about. Lanes are locked; `unsent` is of people who opted out."""

    deliveries: Mapping[Key, Delivery]
    lanes: Mapping[Key, Lane]
    attempts: Sequence[Attempt]
    unsent: Mapping[Key, Sequence[Delivery]] = field(default_factory=dict)
    askers: Set[Key] = frozenset()  # accounts that want a human when a reply did not arrive
    overtaken: Set[Key] = frozenset()  # deliveries that broke off, and do not go on


def rows_of(
    receipts: Iterable[chat.Receipt], *, tenant_id: str, account_id: str, now: datetime, new_id: Callable[[], str]
) -> list[Receipt]:
    """The receipts of one webhook, as they are kept. What says nothing of a sent message is left out."""
    return [
        (ReadUpTo if each.covers_earlier else Receipt)(
            tenant_id=tenant_id,
            id=new_id(),
            account_id=account_id,
            provider_message_id=each.provider_message_id,
            delivery_id=each.delivery_id,
            part=each.part,
            state=DELIVERY_WORD[each.state],
            provider_code=each.provider_code,
            window_closed=each.window_closed,
            opted_out=each.opted_out,
            provider_at=moment(each.provider_at) if each.HasField("provider_at") else None,
            matched=False,
            created_at=now,
        )
        for each in receipts
        if DELIVERY_WORD.get(each.state) in TAKEN | {"failed"}
    ]


async def record(rows: ReceiptRows, said: Sequence[Receipt], *, new_id: Callable[[], str]) -> None:
    """Keeps receipts that came by themselves, and applies those whose delivery is known."""
    targets = await rows.targets(said)
    lanes = await rows.lanes(sorted({(tenant_id, conversation_id) for tenant_id, _, conversation_id in targets}))
    changes = Changes()
    await apply(rows, said, targets=targets, lanes=lanes, changes=changes)
    await called_off.end_turns(rows, Turns(rows.now, new_id, changes))
    await rows.write(changes)


async def apply(
    rows: ReceiptRows,
    said: Sequence[Receipt],
    *,
    targets: Sequence[Target],
    lanes: Mapping[Key, Lane],
    changes: Changes,
) -> None:
    """Under the locks of the conversations. New receipts are written; known ones are marked when they join now."""
    known = await read(rows, said, targets=targets, lanes=lanes)
    for receipt in said:
        if _is_of_erased(receipt, known):
            receipt.provider_message_id = ""  # Some providers write the phone number into it.
        receipt.matched = join(receipt, known, changes=changes, now=rows.now)
        changes.receipts.append(receipt)


async def read(
    rows: ReceiptRows, said: Sequence[Receipt], *, targets: Sequence[Target], lanes: Mapping[Key, Lane]
) -> Known:
    """What the receipts may be about."""
    keys = sorted({(tenant_id, delivery_id) for tenant_id, delivery_id, _ in targets})
    deliveries = await rows.deliveries(keys) if keys else {}
    attempts = sorted(await rows.attempts(keys), key=lambda attempt: attempt.number) if keys else []
    leaving = {(tenant_id, lane_id) for tenant_id, _, lane_id in targets} if may_leave(said) else set()
    unsent = await called_off.unsent(rows, leaving, deliveries=deliveries)
    askers = await undelivered.askers(rows, said, attempts=attempts) if keys else frozenset()
    return Known(deliveries, lanes, attempts, unsent, askers, await broken_off.overtaken(rows, deliveries))


def may_leave(said: Iterable[Receipt]) -> bool:
    """Whether what else waits for a person may have to be called off."""
    return any(receipt.opted_out and receipt.state == "failed" for receipt in said)


def join(receipt: Receipt, known: Known, *, changes: Changes, now: datetime) -> bool:
    """Applies the receipt to its attempt and delivery; False when what it is about is not known yet."""
    attempt = _attempt_of(receipt, known.attempts)
    delivery = known.deliveries.get((receipt.tenant_id, attempt.delivery_id)) if attempt else None
    lane = known.lanes.get((delivery.tenant_id, delivery.conversation_id)) if delivery else None
    if attempt is None or delivery is None or lane is None or attempt.outcome not in {"sent", "unknown"}:
        # Of what was refused for its window, or on the spot, there is nothing more to know.
        return attempt is not None and attempt.outcome == "rejected"
    own = [each for each in known.attempts if (each.tenant_id, each.delivery_id) == delivery.key]
    before, moved, rose = delivery.state, False, _rises(attempt.receipt, receipt.state)
    if attempt.outcome == "unknown" and not attempt.receipt:
        changes.proven.add((delivery.tenant_id, delivery.account_id))
    if rose:
        attempt.receipt = receipt.state
        attempt.provider_code = receipt.provider_code or attempt.provider_code
        attempt.provider_message_id = attempt.provider_message_id or receipt.provider_message_id
        changes.attempts[(attempt.delivery_id, attempt.number)] = attempt
        if receipt.window_closed and receipt.state == "failed":
            moved = _refused(attempt, delivery, lane=lane, own=own, changes=changes, now=now)
        if receipt.opted_out and receipt.state == "failed":
            unsent = known.unsent.get(lane.key, ())
            called_off.opt_out_late(lane, attempt, unsent=unsent, changes=changes, now=now)
    if isinstance(receipt, ReadUpTo) and receipt.state == "read":
        _cover(attempt, own, changes=changes)
    if _follow(delivery, own, lane=lane, known=known, changes=changes, now=now) or moved:
        changes.deliveries[delivery.id] = delivery
    if rose and receipt.opted_out and delivery.state == "failed":
        delivery.reason = OPTED_OUT
    if not receipt.window_closed and undelivered.is_asked(delivery, before, askers=known.askers):
        undelivered.tell(lane, delivery, entry_id=receipt.id, changes=changes, now=now)
    return True


def conclude(delivery: Delivery, known: Known, *, entry_id: str, changes: Changes, now: datetime) -> None:
    """What was heard of its parts while others were on their way counts when a call has ended."""
    lane, before = known.lanes[delivery.tenant_id, delivery.conversation_id], delivery.state
    if _follow(delivery, known.attempts, lane=lane, known=known, changes=changes, now=now):
        changes.deliveries[delivery.id] = delivery
    if undelivered.is_asked(delivery, before, askers=known.askers):
        undelivered.tell(lane, delivery, entry_id=entry_id, changes=changes, now=now)


def join_early(early: Sequence[Receipt], known: Known, *, changes: Changes, now: datetime) -> None:
    """Those that came before their attempt's end was recorded."""
    for receipt in early:
        if receipt.matched:
            continue
        receipt.matched = join(receipt, known, changes=changes, now=now)
        if receipt.matched:
            changes.matched.append(receipt)


def _cover(last: Attempt, own: Sequence[Attempt], *, changes: Changes) -> None:
    """What was sent before the part that was read was read with it."""
    for each in own:
        if each.part < last.part and each.outcome == "sent" and _rises(each.receipt, "read"):
            each.receipt = "read"
            changes.attempts[each.delivery_id, each.number] = each


def _refused(
    attempt: Attempt, delivery: Delivery, *, lane: Lane, own: Sequence[Attempt], changes: Changes, now: datetime
) -> bool:
    if not reply_windows.refuse_late(lane, delivery, attempt=attempt, changes=changes, now=now):
        return False
    reply_windows.decide_anew(lane, delivery, parts_sent=standing(own).next_part, changes=changes, now=now)
    return True


def _follow(
    delivery: Delivery, own: Sequence[Attempt], *, lane: Lane, known: Known, changes: Changes, now: datetime
) -> bool:
    moved = settle(delivery, own, lane=lane, changes=changes, now=now)
    if delivery.key in known.overtaken:
        return moved
    return broken_off.go_on(delivery, own, lane=lane, changes=changes, now=now) or moved


def settle(delivery: Delivery, attempts: Sequence[Attempt], *, lane: Lane, changes: Changes, now: datetime) -> bool:
    """Raises the delivery to what its attempts and their receipts say. True when it moved.

    What waits to be sent again and has arrived is not sent again. Of what is being called its end says more.
    """
    if delivery.begun:
        return False
    known, waits = standing(attempts), delivery.state == "queued"
    before = (delivery.state, delivery.parts_sent)
    delivery.parts_sent = max(delivery.parts_sent, min(known.next_part, delivery.parts))
    if delivery.state == "failed":
        return delivery.parts_sent != before[1]
    if (failed := known.failure(delivery.parts)) and not waits:
        if RANK.get(delivery.state, 0) < RANK["delivered"]:
            delivery.state, delivery.reason, delivery.provider_code = (
                "failed",
                undelivered.BY_RECEIPT,
                failed.provider_code,
            )
    elif RANK[state := known.state(delivery.parts)] > RANK.get(delivery.state, 0):
        delivery.state, delivery.reason = state, ""
        if waits:
            end_waiting(lane, delivery, now=now)
            changes.sending_lanes[lane.id] = lane
    if (delivery.state, delivery.parts_sent) == before:
        return False
    delivery.updated_at = now
    return True


def _is_of_erased(receipt: Receipt, known: Known) -> bool:
    """What comes late for who was erased: their state still rises, and nothing names them again."""
    delivery = known.deliveries.get((receipt.tenant_id, receipt.delivery_id))
    lane = known.lanes.get((delivery.tenant_id, delivery.conversation_id)) if delivery else None
    return lane is not None and lane.is_erased


def _attempt_of(receipt: Receipt, attempts: Sequence[Attempt]) -> Attempt | None:
    """By the provider's id where both know it, else by ours: a part may be sent anew, and what comes late of the first
    time is not about the second."""
    account = (receipt.tenant_id, receipt.account_id)
    theirs = [each for each in reversed(attempts) if (each.tenant_id, each.account_id) == account]
    if named := next((each for each in theirs if _is_named(receipt, each)), None):
        return named
    return next((each for each in theirs if _is_carried(receipt, each)), None)


def _is_named(receipt: Receipt, attempt: Attempt) -> bool:
    return bool(receipt.provider_message_id) and attempt.provider_message_id == receipt.provider_message_id


def _is_carried(receipt: Receipt, attempt: Attempt) -> bool:
    if not receipt.delivery_id or attempt.outcome not in {"begun", "sent", "unknown"}:
        return False
    if receipt.provider_message_id and attempt.provider_message_id:
        return False  # Both have a name, and not the same one.
    return (attempt.delivery_id, attempt.part) == (receipt.delivery_id, receipt.part)


def _rises(before: str, after: str) -> bool:
    """Failed beats what did not reach the person; what reached them is never taken back."""
    if before == "failed":
        return False
    if after == "failed":
        return RANK[before] < RANK["delivered"]
    return RANK[after] > RANK[before]
