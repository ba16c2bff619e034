"""Who is told that a reply did not arrive? A human, where the account wants that; else it is a dead letter alone."""

from dataclasses import replace

from parley.storage.v1.conversation_change_pb2 import HAND_OFF_REASON_NOT_DELIVERED, HandOff
from parley.storage.v1.delivery_requests_pb2 import ATTEMPT_OUTCOME_REJECTED, LeasedDelivery
from parley.storage.v1.directory_pb2 import ChannelAccount
from sender_service.domain.outcomes import Outcome
from sender_service.domain.windows import LONGEST_SUMMARY, WINDOW_CLOSED

# Nobody is to reach who opted out, and what is dropped for its window is meant to be.
MEANT = ("opted_out", WINDOW_CLOSED)


def asking(outcome: Outcome, leased: LeasedDelivery, *, account: ChannelAccount) -> Outcome:
    """The same outcome, with a human to ask where it is the end of a reply."""
    is_end = outcome.kind == ATTEMPT_OUTCOME_REJECTED and outcome.reason not in MEANT
    if not is_end or outcome.hand_off is not None or account.options.get("undelivered") != "human":
        return outcome
    why = " ".join(filter(None, (outcome.reason, outcome.provider_code)))
    summary = f"A reply did not reach them on {account.channel} ({why}): {leased.text}"[:LONGEST_SUMMARY]
    return replace(outcome, hand_off=HandOff(reason=HAND_OFF_REASON_NOT_DELIVERED, summary=summary))
