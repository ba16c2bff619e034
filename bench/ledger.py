"""Was every message answered, once, in order? The load's own book, kept from the wire alone."""

import asyncio
import itertools
import re
from collections import defaultdict
from dataclasses import dataclass, field

LABEL = re.compile(r"\bm(\d+)-(\d+)\b")


def label(person: int, number: int) -> str:
    """The text of a person's n-th message; the answer repeats it."""
    return f"m{person}-{number}"


@dataclass(slots=True)
class Ledger:
    """What was accepted and what was answered, by person."""

    accepted: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    answered: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    replies: int = 0
    _waiting: dict[tuple[int, int], asyncio.Event] = field(default_factory=dict)

    def clear(self) -> None:
        self.accepted.clear()
        self.answered.clear()
        self.replies = 0

    def accept(self, person: int, number: int) -> None:
        self.accepted[person].add(number)

    def reply(self, text: str) -> None:
        """Books one send at the provider; a reply may answer several messages."""
        self.replies += 1
        for person, number in LABEL.findall(text):
            key = (int(person), int(number))
            self.answered[key[0]].append(key[1])
            if waiting := self._waiting.pop(key, None):
                waiting.set()

    async def answer_to(self, person: int, number: int) -> None:
        if number in self.answered[person]:
            return
        event = self._waiting.setdefault((person, number), asyncio.Event())
        await event.wait()

    @property
    def lost(self) -> int:
        return sum(len(numbers - set(self.answered[person])) for person, numbers in self.accepted.items())

    @property
    def doubled(self) -> int:
        return sum(len(numbers) - len(set(numbers)) for numbers in self.answered.values())

    @property
    def inverted(self) -> int:
        return sum(
            sum(later < earlier for earlier, later in itertools.pairwise(numbers)) for numbers in self.answered.values()
        )
