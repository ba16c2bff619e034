"""Which guards stand? All of them, except where a test shows that it would notice if one did not."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutations:
    """Which guard is taken out, so that a test can show that it is found. All stand in every real process."""

    fencing: bool = True
    dedupe: bool = True
    attempt_record: bool = True


GUARDED = Mutations()
