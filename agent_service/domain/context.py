"""What of a conversation is shown to the model, so that it fits and the newest message is always in it?

The order is: system prompt, summary, history oldest first, the new messages. What does not fit is dropped oldest first.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil
from typing import NamedTuple

from agent_service.domain import files, languages
from parley.chat.v1.message_pb2 import Message, Role
from parley.llm.v1.prompt_pb2 import Prompt, PromptMessage
from parley.storage.v1.turn_requests_pb2 import LeasedTurn

CHARACTERS_PER_TOKEN = 4.0
# What a server adds around each message: role and separators.
TOKENS_AROUND = 4
CUT = " […]"
SUMMARY = "What was said before, in short: "
SYSTEM = Role.ROLE_SYSTEM


class Line(NamedTuple):
    """A message as the model would see it."""

    role: Role
    text: str


# Most messages are seen as they are.
Shown = Line | Message


@dataclass(frozen=True, slots=True)
class Budget:
    """The model's window, what of it is kept for the answer (never more than half), and how long a token is."""

    window_tokens: int
    reserve_tokens: int
    characters_per_token: float = CHARACTERS_PER_TOKEN

    @property
    def room_tokens(self) -> int:
        return self.window_tokens - min(self.reserve_tokens, self.window_tokens // 2)

    def cost(self, line: Shown | PromptMessage) -> int:
        """The estimate of its tokens."""
        return ceil(len(line.text) / self.characters_per_token) + TOKENS_AROUND

    def total(self, lines: Iterable[Shown]) -> int:
        """The estimate of all their tokens."""
        return sum(map(self.cost, lines))

    def cut(self, text: str, room: int) -> str:
        """The beginning of the text, within so many tokens including those around it."""
        most = int(max(0, room - TOKENS_AROUND) * self.characters_per_token)
        if len(text) <= most:
            return text
        return text[: most - len(CUT)] + CUT if most > len(CUT) else text[:most]

    def latest(self, lines: Sequence[Shown], room: int) -> tuple[list[Shown], int]:
        """As many as fit, counted from the newest, without a gap, in the order they came; and the room that is left."""
        kept: list[Shown] = []
        for line in reversed(lines):
            needed = self.cost(line)
            if needed > room:
                break
            room -= needed
            kept.append(line)
        return kept[::-1], room


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the model gets to read, the room that is left, and whether anything else had none."""

    system: list[Line]
    summary: list[Line]
    history: list[Shown]
    new: list[Shown]
    room: int
    is_whole: bool

    def lines(self) -> Iterator[Shown]:
        """All of it, in the order in which it is read."""
        return chain(self.system, self.summary, self.history, self.new)


def choose(turn: LeasedTurn, budget: Budget, *, hint: str = "") -> Chosen:
    """What fits the budget, whatever was said. The hint follows the system prompt."""
    setting, room = turn.setting, budget.room_tokens
    *others, newest = [said(message) for message in turn.messages] or [Line(Role.ROLE_CONTACT, "[nothing]")]
    # A long system prompt leaves the newest message half of the room, if it needs that much.
    most = room - min(budget.cost(newest), room // 2)
    system = _system(setting.system_prompt, hint, budget=budget, room=most)
    room -= budget.total(system)
    newest = Line(newest.role, budget.cut(newest.text, room))
    room -= budget.cost(newest)
    before, room = budget.latest(others, room)
    summary = _instruction(SUMMARY + setting.summary if setting.summary else "")
    summary = summary if budget.total(summary) <= room else []
    room -= budget.total(summary)
    covered = setting.summary_seq if summary else 0
    recent = [said(message) for message in turn.history if not covered or message.seq > covered]
    history, room = budget.latest(recent, room)
    is_whole = len(before) + len(history) == len(others) + len(recent) and bool(summary) == bool(setting.summary)
    return Chosen(system, summary, history, [*before, newest], room, is_whole)


def hint(language: str, formatting: str) -> str:
    """What the model is told beside the system prompt: the contact's language, and what the channel can show."""
    return "\n".join(filter(None, (languages.hint(language), formatting)))


def build(turn: LeasedTurn, chosen: Chosen, *, into: Prompt) -> None:
    """The prompt of a turn, in its place: one that is made first and given to a request is copied.

    It says nothing of how long the answer may be: we only estimate what is left of the window, a server knows it.
    """
    into.model = turn.setting.model
    into.model_conversation = turn.setting.model_conversation  # present even when empty: what the server makes is kept
    put = into.messages.add
    for line in chosen.lines():
        message = put()
        message.role, message.text = line.role, line.text


def _instruction(text: str) -> list[Line]:
    return [Line(SYSTEM, text)] if text else []


def _system(text: str, hint: str, *, budget: Budget, room: int) -> list[Line]:
    """The system prompt, cut where it is long, and the hint whole, unless it takes too much of the room."""
    needed = budget.cost(Line(SYSTEM, hint)) if hint else 0
    if needed > room // 2:
        hint, needed = "", 0
    return _instruction("\n\n".join(filter(None, (budget.cut(text, room - needed), hint))))


def said(message: Message) -> Shown:
    """A message as the model sees it."""
    text, attachments = message.text, message.attachments
    if text and not attachments:
        return message
    return Line(message.role, "\n".join(filter(None, (text, *map(files.described, attachments)))) or "[nothing]")
