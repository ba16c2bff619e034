"""When is a part tried again, and when do we give up?"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from parley.storage.v1 import delivery_requests_pb2 as pb
from sender_service.domain.outcomes import Outcome, rejected

LONGEST = timedelta(days=1)  # the contract's limit of retry_after


@dataclass(frozen=True, slots=True)
class Retries:
    """Full jitter under 1, 2, 4, 8 s, so that what failed together does not come back together."""

    most: int  # attempts of one part in all
    random: Callable[[], float]  # uniform in [0, 1)

    def settle(self, outcome: Outcome, attempts_before: int) -> Outcome:
        """The outcome with its pause; after the last attempt a retry becomes a dead letter that a person can see."""
        if outcome.kind != pb.ATTEMPT_OUTCOME_RETRY:
            return outcome
        if attempts_before + 1 >= self.most:
            return rejected("gave_up", outcome.provider_code)
        jitter = timedelta(seconds=self.random() * 2.0**attempts_before)
        # What the provider asks for is a floor: not one call goes out before it.
        return replace(outcome, retry_after=min((outcome.retry_after or timedelta()) + jitter, LONGEST))
