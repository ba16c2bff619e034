"""What can be found in a text, and what follows from it?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class Action(IntEnum):
    """What follows, mildest first: the strongest of several holds."""

    PASS = 0
    MARK = 1
    RESTRICT_TOOLS = 2
    BLOCK = 3

    @property
    def label(self) -> str:
        """As it is written in rule files, logs and metrics."""
        return self.name.lower()


class Side(StrEnum):
    """Who said it: a person (input) or the model (output)."""

    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that a text meets. It never holds any of the text."""

    rule: str
    category: str
    action: Action
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that a text meets. `steps` is the work it took: words looked up and patterns tried, over all views."""

    hits: tuple[Hit, ...] = ()
    disguised: bool = False
    steps: int = 0

    @property
    def action(self) -> Action:
        return max((hit.action for hit in self.hits), default=Action.PASS)

    @property
    def unsure(self) -> bool:
        """Whether a judge should look: a rule suspects, and none blocks anyway."""
        return bool(self.hits) and self.action < Action.BLOCK and any(hit.unsure for hit in self.hits)

    @property
    def deciding(self) -> Hit | None:
        """The hit that the turn is named after: the first of the strongest."""
        return next((hit for hit in self.hits if hit.action == self.action), None)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a tenant wants otherwise: rules that are off, and other actions by rule or by category."""

    off: frozenset[str] = frozenset()
    actions: Mapping[str, Action] = field(default_factory=dict)

    def applied(self, hits: Iterable[Hit]) -> tuple[Hit, ...]:
        """A rule's own entry goes before that of its category."""
        return tuple(
            Hit(hit.rule, hit.category, self._action(hit), hit.unsure)
            for hit in hits
            if hit.rule not in self.off and hit.category not in self.off
        )

    def _action(self, hit: Hit) -> Action:
        return self.actions.get(hit.rule, self.actions.get(hit.category, hit.action))
