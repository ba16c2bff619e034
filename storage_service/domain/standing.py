"""How far has each part of a delivery come? The last call counts that may have been taken, and what ever reached the
person, by whichever call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage_service.domain.rows import Attempt
from storage_service.domain.words import RANK

LADDER = ("", "queued", "sending", "sent", "delivered", "read")
TAKEN = {"sent", "delivered", "read"}
NOT_TAKEN = {"retry", "rejected", "unauthorized"}  # the provider has nothing of such a call, so it replaces none


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of the parts of one delivery."""

    ranks: Mapping[int, int]  # of those that were taken, as far as anybody knows
    failed: Mapping[int, Attempt]  # those of which a receipt says that they did not arrive

    @property
    def next_part(self) -> int:
        """The first one that is still to be sent."""
        part = 0
        while part in self.ranks:
            part += 1
        return part

    def state(self, parts: int) -> str:
        """As far as the last part has come; "" while one is missing."""
        if not parts or self.next_part < parts:
            return ""
        return LADDER[min(self.ranks[part] for part in range(parts))]

    def failure(self, parts: int) -> Attempt | None:
        """The first part that did not arrive."""
        return next((self.failed[part] for part in range(parts) if part in self.failed), None)


def after(part: int, attempts: Sequence[Attempt]) -> int:
    """What follows a part that was just sent: those behind it that were taken before are not sent again."""
    if all(each.part <= part for each in attempts):
        return part + 1
    return max(part + 1, standing(attempts).next_part)


def standing(attempts: Sequence[Attempt]) -> Standing:
    """By all calls of one delivery, in their order."""
    last = {each.part: each for each in attempts if each.outcome not in NOT_TAKEN}
    heard: dict[int, int] = {}
    for each in attempts:
        if each.receipt in TAKEN:
            heard[each.part] = max(heard.get(each.part, 0), RANK[each.receipt])
    ranks: dict[int, int] = {}
    failed: dict[int, Attempt] = {}
    for part, attempt in last.items():
        rank = heard.get(part, 0)
        if attempt.receipt == "failed" and rank < RANK["delivered"]:
            failed[part] = attempt
        elif rank := max(rank, RANK["sent"] if attempt.outcome == "sent" else 0):
            ranks[part] = rank
    return Standing(ranks, failed)
