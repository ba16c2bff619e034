"""The story of a turn: guard the input, build the context, generate, guard the output; and how it ends.

Each step is a function that may end the turn, with its reason; what comes before (the lease) and after (the commit) is
in worker.py. However it goes, the turn ends in one terminal state, and a person who asked is told something.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from agent_service.domain.context import Budget, build
from kit.errors import ParleyError, kind_of
from kit.moments import moment
from parley.chat.v1.message_pb2 import Owner, TurnState
from parley.llm.v1.completion_pb2 import Completion
from parley.llm.v1.llm_service_pb2 import GenerateRequest, GenerateResponse
from parley.llm.v1.prompt_pb2 import Prompt
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, Usage

# By name once: the module's own look-up of an enum's value is a function call.
AGENT, NOBODY_YET = Owner.OWNER_AGENT, Owner.OWNER_UNSPECIFIED
REPLIED, FAILED, SUPPRESSED = (
    TurnState.TURN_STATE_REPLIED,
    TurnState.TURN_STATE_FAILED,
    TurnState.TURN_STATE_SUPPRESSED,
)
# The longest text that one message of the contract holds.
MOST_CHARACTERS = 65_536
# Of the turn's own deadline, what is kept for the commit.
COMMIT_SECONDS = 2.0
# The longest name of a server's conversation that the contract keeps.
MOST_OF_A_NAME = 256


class Model(Protocol):
    """Whoever answers prompts."""

    def window(self, model: str) -> int:
        """Its window in tokens, as far as it is known. Never waits."""

    def characters_per_token(self, model: str) -> float:
        """How long its tokens are, as far as it is known. Never waits."""

    async def generate(self, request: GenerateRequest, *, seconds: float) -> GenerateResponse:
        """The answer, or the fallback text. Raises a ParleyError when not even that came."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every turn unless its agent says otherwise."""

    timeout_seconds: float
    reserve_tokens: int
    fallback_text: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How a turn ended."""

    state: TurnState
    reason: str = ""
    replies: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)
    model_conversation: str = ""


@dataclass(slots=True)
class Draft:
    """A turn in the making: each step adds what the next one needs."""

    turn: LeasedTurn
    prompt: Prompt = field(default_factory=Prompt)
    answer: GenerateResponse = field(default_factory=GenerateResponse)


Step = Callable[[Draft], Awaitable[Ending | None]]


class Story:
    """Tells turns, one call each."""

    def __init__(self, model: Model, rules: Rules, *, now: Callable[[], datetime]) -> None:
        self._model = model
        self._rules = rules
        self._now = now
        self._steps: tuple[Step, ...] = (
            self._guard_the_input,
            self._build_the_context,
            self._generate,
            self._guard_the_output,
        )

    async def tell(self, turn: LeasedTurn) -> Ending:
        """Goes from step to step until one ends the turn."""
        draft = Draft(turn)
        for step in self._steps:
            ending = await step(draft)
            if ending is not None:
                return ending
        completion = draft.answer.completion
        return Ending(REPLIED, "", (draft.answer.text,), _usage(completion), _kept(completion))

    def failed(self, turn: LeasedTurn, reason: str, *, completion: Completion | None = None) -> Ending:
        """No answer could be made, and the person is told."""
        text = turn.setting.fallback_text or self._rules.fallback_text
        if completion is None:
            return Ending(FAILED, reason, (text,))
        return Ending(FAILED, reason, (text,), _usage(completion), _kept(completion))

    async def _guard_the_input(self, draft: Draft) -> Ending | None:
        owner = draft.turn.setting.owner
        if owner in (AGENT, NOBODY_YET):
            return None
        return Ending(SUPPRESSED, Owner.Name(owner).lower())

    async def _build_the_context(self, draft: Draft) -> Ending | None:
        setting = draft.turn.setting
        reserve = setting.reserve_tokens or self._rules.reserve_tokens
        window, per_token = self._model.window(setting.model), self._model.characters_per_token(setting.model)
        draft.prompt = build(draft.turn, Budget(window, reserve, per_token))
        return None

    async def _generate(self, draft: Draft) -> Ending | None:
        turn = draft.turn
        seconds = self._rules.timeout_seconds
        if turn.HasField("deadline_at"):
            left = (moment(turn.deadline_at) - self._now()).total_seconds()
            seconds = min(seconds, left - COMMIT_SECONDS)
        if seconds <= 0:
            return self.failed(turn, "turn_deadline")
        fallback = turn.setting.fallback_text or self._rules.fallback_text
        request = GenerateRequest(tenant_id=turn.tenant_id, prompt=draft.prompt, fallback_text=fallback)
        try:
            draft.answer = await self._model.generate(request, seconds=seconds)
        except ParleyError as error:
            return self.failed(turn, error.name.lower())
        return None

    async def _guard_the_output(self, draft: Draft) -> Ending | None:
        completion, text = draft.answer.completion, draft.answer.text
        if completion.fallback:
            reason = kind_of(completion.failure.reason)().name.lower()
            return self.failed(draft.turn, reason, completion=completion)
        if not text.strip():
            return self.failed(draft.turn, "model_empty", completion=completion)
        if len(text) > MOST_CHARACTERS:
            draft.answer.text = text[:MOST_CHARACTERS]
        return None


def _usage(completion: Completion) -> Usage:
    """What the turn took. Without prices in models.toml it costs nothing."""
    return Usage(
        model="" if completion.fallback else completion.model,
        backend="" if completion.fallback else completion.backend,
        input_tokens=completion.input_tokens,
        output_tokens=completion.output_tokens,
        model_time=completion.model_time,
        cost_micros=completion.cost_micros,
    )


def _kept(completion: Completion) -> str:
    """What the server calls the conversation. A name that storage would refuse would take the answer with it."""
    name = completion.model_conversation
    return name if len(name) <= MOST_OF_A_NAME and name.isprintable() else ""
