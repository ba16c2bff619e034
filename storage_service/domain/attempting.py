"""What is written of a call to a provider, before it is made and when it has ended?"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from parley.storage.v1.delivery_requests_pb2 import AttemptRecord
from storage_service.domain.rows import Attempt, Delivery, Key
from storage_service.domain.words import OUTCOME

# The senders' words for why: an end after so many tries, and an attempt that may have been taken.
GAVE_UP, UNHEARD = "gave_up", {"unanswered", "unknown"}
GIVEN_UP = {GAVE_UP, "file_unreachable"}
# For an account that has its doubtful sends repeated: receipts come within seconds, and one spares the second call.
RESEND_AFTER = timedelta(seconds=5)


def begun(delivery: Delivery, part: int, *, item: AttemptRecord, now: datetime) -> Attempt:
    """An attempt without an end: it may have reached the provider."""
    return Attempt(
        tenant_id=delivery.tenant_id,
        delivery_id=delivery.id,
        number=delivery.attempts,
        account_id=delivery.account_id,
        part=part,
        template=item.template and part == item.part,
        epoch=delivery.epoch,
        outcome="begun",
        provider_message_id="",
        provider_code="",
        reason="",
        receipt="",
        shown=item.shown,
        begun_at=now,
        ended_at=None,
    )


def current(delivery: Delivery, *, fresh: Sequence[Attempt], stored: Sequence[Attempt]) -> Attempt | None:
    """The last one of a delivery: begun in this transaction, or before it."""
    own = (each for each in reversed(fresh) if each.delivery_id == delivery.id)
    return next((each for each in (*own, *reversed(stored)) if each.number == delivery.attempts), None)


def refused(delivery: Delivery, item: AttemptRecord, *, attempts: Mapping[Key, Sequence[Attempt]]) -> tuple[str, str]:
    """State and reason of a delivery that will not be tried again. Where the answer to a call of the part that was
    given up is missing, nobody knows."""
    stored = attempts.get(delivery.key, ())
    unheard = any(each.part == item.part and UNHEARD & {each.outcome, each.reason} for each in stored)
    return "unknown" if unheard and item.reason in GIVEN_UP else "failed", item.reason or "rejected"


def is_first_doubt(attempt: Attempt | None, *, stored: Sequence[Attempt]) -> bool:
    """Whether no call of the same part had ended in doubt before: what is sent again for that is sent again once."""
    if attempt is None:
        return False
    part, number = attempt.part, attempt.number
    return not any(each.part == part and each.outcome == "unknown" and each.number < number for each in stored)


def end(attempt: Attempt, item: AttemptRecord, *, outcome: str, now: datetime) -> None:
    """What became of it."""
    attempt.outcome, attempt.ended_at = outcome, now
    attempt.provider_message_id, attempt.provider_code = item.provider_message_id, item.provider_code
    attempt.reason = item.reason
    if outcome != "unknown":  # nothing of the text is kept for longer than it is needed
        attempt.shown = ""


def unnamed(item: AttemptRecord) -> AttemptRecord:
    """The record of a call to who was erased while it was made. Some providers write the phone number into the id."""
    bare = AttemptRecord()
    bare.CopyFrom(item)
    bare.ClearField("provider_message_id")
    return bare


def is_told(delivery: Delivery, item: AttemptRecord, *, worker_id: str, stored: Sequence[Attempt]) -> bool:
    """The record of a call that was answered but whose answer was lost."""
    outcome = OUTCOME[item.outcome]
    if delivery.worker_id != worker_id or delivery.epoch != item.epoch:
        return False
    if outcome == "released":
        return not delivery.leased and delivery.state == "queued"
    if outcome == "rejected" and not delivery.leased and delivery.state == "failed":
        return True
    same = (item.epoch, item.part, outcome)
    return any((each.epoch, each.part, each.outcome) == same for each in stored)
