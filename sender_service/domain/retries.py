"""When is a part tried again, and when do we give up?

Too fast is no fault of a message, and neither is a provider that fails everything: storage counts no attempt then, and
lets the whole account wait. What fails while others come through is given up after some attempts, as is a part whose
file is not to be had.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from parley.storage.v1 import delivery_requests_pb2 as pb
from parley.storage.v1.pacing_pb2 import ACCOUNT_SIGN_FAILING, ACCOUNT_SIGN_UNTOUCHED
from sender_service.domain.outcomes import UNANSWERED, Outcome, rejected, unknown

LONGEST = timedelta(days=1)  # the contract's limit of retry_after
MOST_DOUBLINGS = 8
GAVE_UP = "gave_up"
COUNTED = (ACCOUNT_SIGN_FAILING, ACCOUNT_SIGN_UNTOUCHED)


@dataclass(frozen=True, slots=True)
class Retries:
    """Full jitter under 1, 2, 4, 8 s, so that what failed together does not come back together."""

    most: int  # attempts of one part that count
    patience: timedelta  # since it was queued
    random: Callable[[], float]  # uniform in [0, 1)

    def settle(self, outcome: Outcome, attempts_before: int, *, waited: timedelta = timedelta()) -> Outcome:
        """The outcome with its pause; after the last attempt a retry becomes a dead letter that a person can see, or
        unknown where nobody heard what became of it."""
        if outcome.kind != pb.ATTEMPT_OUTCOME_RETRY:
            return outcome
        too_often = outcome.sign in COUNTED and attempts_before + 1 >= self.most
        if too_often or waited > self.patience:
            why = outcome.reason if outcome.sign == ACCOUNT_SIGN_UNTOUCHED else GAVE_UP
            end = unknown(GAVE_UP) if outcome.reason == UNANSWERED else rejected(why)
            return replace(end, provider_code=outcome.provider_code, sign=outcome.sign, hold=outcome.hold)
        jitter = timedelta(seconds=self.random() * 2.0 ** min(attempts_before, MOST_DOUBLINGS))
        # What the provider asks for is a floor: not one call goes out before it.
        return replace(outcome, retry_after=min((outcome.retry_after or timedelta()) + jitter, LONGEST))
