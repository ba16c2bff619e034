"""How much of a caller's time may the models have?"""

from kit import deadlines, errors

# Of the caller's deadline, what is kept back from the models: enough to send the fallback text as the contract says,
# and without one, enough that the caller reads why instead of a bare DEADLINE_EXCEEDED.
FALLBACK_SECONDS = 0.5
REASON_SECONDS = 0.1


def left(kept_seconds: float) -> float:
    """What the models get. Kit refuses calls without a deadline before they come here."""
    remaining = deadlines.remaining()
    if remaining is None:
        raise errors.DeadlineMissing
    return max(remaining - kept_seconds, remaining / 2, 0.0)
