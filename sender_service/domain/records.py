"""What is said to storage of one call, or of none, and to a template of a text?"""

from collections.abc import Mapping, Sequence

from channels.rendering import Part
from kit.echoes import shown
from kit.moments import span
from parley.storage.v1 import delivery_requests_pb2 as pb
from parley.storage.v1.delivery_requests_pb2 import AttemptRecord, LeasedDelivery
from sender_service.domain.outcomes import Outcome


def record_of(
    leased: LeasedDelivery, outcome: Outcome, *, part: int, parts: int, begins: Part | None = None
) -> AttemptRecord:
    """The outcome of a part, in the words of the contract."""
    return AttemptRecord(
        tenant_id=leased.tenant_id,
        delivery_id=leased.delivery_id,
        epoch=leased.epoch,
        part=part,
        parts=parts,
        outcome=outcome.kind,
        provider_message_id=outcome.provider_message_id,
        provider_code=outcome.provider_code,
        reason=outcome.reason,
        retry_after=None if outcome.retry_after is None else span(outcome.retry_after),
        account_sign=outcome.sign,
        hold=None if outcome.hold is None else span(outcome.hold),
        window_closed=outcome.window_closed,
        opted_out=outcome.kind == pb.ATTEMPT_OUTCOME_REJECTED and outcome.reason == "opted_out",
        hand_off=outcome.hand_off,
        other_chat=outcome.other_chat,
        shown=shown(begins.text, file=begins.file is not None) if begins else "",
    )


def template_values(part: Part, options: Mapping[str, str]) -> Mapping[str, str]:
    """The text, in the template's variable for it, if it has one."""
    variable = options.get("template_variable", "")
    return {variable: part.text} if variable else {}


def rest_of(leased: LeasedDelivery, rendered: Sequence[Part]) -> str:
    """What of the text is not said yet: as it was written while nothing is."""
    return "\n".join(part.text for part in rendered[leased.next_part :]) if leased.next_part else leased.text
