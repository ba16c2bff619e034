"""The story of a turn: opt-out, command, budgets, guard the input, build the context, generate, guard the output.

Each step is a function that may end the turn, with its reason; what comes before (the lease) and after (the commit) is
in worker.py. However it goes, the turn ends in one terminal state, and a person who asked is told something.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Protocol

from agent_service.domain import (
    budgets,
    commands,
    gone_models,
    guarding,
    hand_off,
    kept_conversations,
    languages,
    opting,
    second_tries,
    summaries,
    wishes,
)
from agent_service.domain.context import Budget, build, choose, hint
from agent_service.domain.draft import FAILED, REPLIED, SUPPRESSED, Draft, Ending, took
from agent_service.domain.guard.guard import Guard
from agent_service.domain.progress import Progress
from agent_service.domain.texts import Texts
from kit.errors import ParleyError, kind_of
from kit.moments import moment
from parley.chat.v1.message_pb2 import Owner, TurnKind
from parley.llm.v1.completion_pb2 import Completion
from parley.llm.v1.llm_service_pb2 import GenerateRequest, GenerateResponse
from parley.llm.v1.prompt_pb2 import Tool, ToolChoice
from parley.storage.v1.conversation_change_pb2 import HandOffReason, Language
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, Usage

# By name once: the module's own look-up of an enum's value is a function call.
AGENT, NOBODY_YET = Owner.OWNER_AGENT, Owner.OWNER_UNSPECIFIED
SUMMARY = TurnKind.TURN_KIND_SUMMARY
# The longest text that one message of the contract holds.
MOST_CHARACTERS = 65_536
# Of the turn's own deadline, what is kept for the commit.
COMMIT_SECONDS = 2.0


class Model(Protocol):
    """Whoever answers prompts."""

    def window(self, model: str) -> int:
        """Its window in tokens, as far as it is known. Never waits."""

    def characters_per_token(self, model: str) -> float:
        """How long its tokens are, as far as it is known. Never waits."""

    def names(self) -> Collection[str]:
        """The models that there are; empty when that is not known. Never waits."""

    async def generate(self, request: GenerateRequest, *, seconds: float) -> GenerateResponse:
        """The answer, or the fallback text. Raises a ParleyError when not even that came."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every turn unless its agent says otherwise."""

    timeout_seconds: float
    reserve_tokens: int
    fallback_text: str
    detector: languages.Detector = field(default_factory=languages.Builtin)
    # Channels on which a lone "stop" or "cancel" means: no more messages.
    opt_out_channels: frozenset[str] = frozenset()
    offers_hand_off: bool = True
    texts: Texts = field(default_factory=Texts)


Step = Callable[[Draft], Awaitable[Ending | None]]


class Story:
    """Tells turns, one call each."""

    def __init__(
        self,
        model: Model,
        rules: Rules,
        *,
        now: Callable[[], datetime],
        guard: Guard | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._model = model
        self._progress = progress
        self._rules = rules
        self._guard = guard
        self._no_summaries = summaries.Failures()
        self._now = now
        self._steps: tuple[Step, ...] = (
            self._opt_out_or_in,
            self._leave_to_the_owner,
            self._learn_the_language,
            self._obey_commands,
            self._hand_off_if_asked,
            self._mind_the_budgets,
            self._guard_the_input,
            self._build_the_context,
            self._generate,
            self._hand_off_if_the_model_asks,
            self._guard_the_output,
        )

    async def tell(self, turn: LeasedTurn) -> Ending:
        """Goes from step to step until one ends the turn."""
        draft = self._draft(turn)
        if turn.kind == SUMMARY:
            return await self._summarise(draft)
        for step in self._steps:
            ending = await step(draft)
            if ending is not None:
                return draft.ended(ending)
        completion = draft.answer.completion
        kept = kept_conversations.name(completion)
        return draft.ended(Ending(REPLIED, "", (draft.answer.text,), took(completion), kept))

    def failed(self, turn: LeasedTurn, reason: str, *, completion: Completion | None = None) -> Ending:
        """No answer could be made, and the person is told; a human is asked for when it is once too often."""
        usage = Usage() if completion is None else took(completion)
        kept = kept_conversations.unheard(turn) if completion is None else kept_conversations.name(completion)
        if turn.kind == SUMMARY:  # Nobody asked, so nobody is told.
            self._no_summaries.note(turn)
            return Ending(FAILED, reason, (), usage)
        if hand_off.too_often(turn):
            ending = hand_off.ending(self._draft(turn), HandOffReason.HAND_OFF_REASON_REPEATED_FAILURE, usage=usage)
            return replace(ending, model_conversation=kept)
        text = turn.setting.fallback_text or self._rules.fallback_text
        return second_tries.failed(turn, reason, text=text, usage=usage, kept=kept)

    def terms(self, turn: LeasedTurn) -> tuple[Budget, Sequence[Tool]]:
        """The tools that its model is offered, and the budget that they leave."""
        budget = self._budget(turn)
        tools = hand_off.tools(budget.window_tokens) if self._rules.offers_hand_off else ()
        if not tools:
            return budget, ()
        window = budget.window_tokens - hand_off.TOOL_TOKENS
        return Budget(window, budget.reserve_tokens, budget.characters_per_token), tools

    def language(self, turn: LeasedTurn) -> str:
        """What the contact would be answered in. Empty when it is not known."""
        return (self._heard(turn) or turn.setting.language).code

    async def drop_refused(self, turn: LeasedTurn) -> None:
        """Takes what the guardrails refused, or would refuse, out of its history."""
        await guarding.drop_refused(turn, self._guard, refusals=self._rules.texts.every("refused"))

    async def _opt_out_or_in(self, draft: Draft) -> Ending | None:
        return opting.opt(draft, self._rules.opt_out_channels)

    async def _leave_to_the_owner(self, draft: Draft) -> Ending | None:
        owner = draft.turn.setting.owner
        return None if owner in (AGENT, NOBODY_YET) else Ending(SUPPRESSED, Owner.Name(owner).lower())

    async def _learn_the_language(self, draft: Draft) -> Ending | None:
        language = self._heard(draft.turn)
        if language is not None:
            draft.change.language.CopyFrom(language)
        return None

    async def _obey_commands(self, draft: Draft) -> Ending | None:
        return commands.obey(draft, commands.Known(self._model.names(), self._rules.detector.codes()))

    async def _hand_off_if_asked(self, draft: Draft) -> Ending | None:
        if any(wishes.asks_for_a_human(message.text) for message in draft.turn.messages):
            return hand_off.ending(draft, HandOffReason.HAND_OFF_REASON_CONTACT_ASKED)
        return None

    async def _mind_the_budgets(self, draft: Draft) -> Ending | None:
        return budgets.spend(draft, self._now())

    async def _guard_the_input(self, draft: Draft) -> Ending | None:
        return None if self._guard is None else await guarding.of_input(draft, self._guard)

    async def _build_the_context(self, draft: Draft) -> Ending | None:
        budget, tools = self.terms(draft.turn)
        await self.drop_refused(draft.turn)
        chosen = choose(draft.turn, budget, hint=hint(draft.language, draft.turn.setting.formatting))
        prompt = draft.request.prompt
        build(draft.turn, chosen, into=prompt)
        prompt.tools.extend(tools)
        if draft.restricted:
            prompt.tool_choice = ToolChoice.TOOL_CHOICE_NONE
        wanted = summaries.wanted(draft.turn, chosen, budget=budget)
        draft.wants_summary = wanted and self._no_summaries.are_over(draft.turn)
        return None

    async def _generate(self, draft: Draft) -> Ending | None:
        turn, seconds = draft.turn, self._seconds(draft.turn)
        if seconds <= 0:
            return self.failed(turn, "turn_deadline")
        draft.request.tenant_id = turn.tenant_id
        draft.request.fallback_text = turn.setting.fallback_text or self._rules.fallback_text
        try:
            draft.answer = await self._asked(draft, seconds=seconds)
        except ParleyError as error:
            return self.failed(turn, error.name.lower())
        return None

    async def _asked(self, draft: Draft, *, seconds: float) -> GenerateResponse:
        """The model's answer, to be seen while it comes where the account shows that."""
        if self._progress is None or not draft.turn.setting.progressive:
            return await self._known(self._model.generate, draft, seconds=seconds)
        async with self._progress.of(draft.turn, partial(self._may_be_seen, draft)) as writing:
            return await self._known(writing.generate, draft, seconds=seconds)

    async def _known(self, ask: gone_models.Generate, draft: Draft, *, seconds: float) -> GenerateResponse:
        own = draft.turn.setting.own_model
        return await gone_models.generate(ask, draft.request, own=own, seconds=seconds, now=self._now)

    def _may_be_seen(self, draft: Draft, text: str) -> bool:
        return self._guard is None or guarding.lets_pass(draft, self._guard, text=text)

    async def _hand_off_if_the_model_asks(self, draft: Draft) -> Ending | None:
        calls, completion = draft.answer.tool_calls, draft.answer.completion
        if not calls:
            return None
        completion.model_conversation = kept_conversations.unsaid(completion)
        asked = hand_off.asked_by_model(draft, calls, usage=took(completion))
        if asked is None:
            return self.failed(draft.turn, "model_tool_invalid", completion=completion)
        return replace(asked, model_conversation=completion.model_conversation)

    async def _guard_the_output(self, draft: Draft) -> Ending | None:
        completion, text = draft.answer.completion, draft.answer.text
        if completion.fallback or not text.strip():
            return self.failed(draft.turn, _reason(completion), completion=completion)
        if len(text) > MOST_CHARACTERS:
            draft.answer.text = text[:MOST_CHARACTERS]
        if self._guard is None:
            return None
        reason = guarding.withheld(draft, self._guard)
        if not reason:
            return None
        kept = kept_conversations.unsaid(completion)
        return Ending(FAILED, reason, (draft.say("withheld"),), took(completion), kept)

    async def _summarise(self, draft: Draft) -> Ending:
        """What is old is told in short. Nobody waits for it, and nobody is told when it cannot be done."""
        turn = draft.turn
        if budgets.day_is_spent(turn.setting):
            return self.failed(turn, budgets.REASON)
        await self.drop_refused(turn)
        prompt, covers = summaries.prompt(turn, self._budget(turn))
        # With a text in its place, a failure says what it took.
        request = GenerateRequest(tenant_id=turn.tenant_id, prompt=prompt, fallback_text=summaries.NONE)
        try:
            answer = await self._model.generate(request, seconds=self._seconds(turn))
        except ParleyError as error:
            return self.failed(turn, error.name.lower())
        completion, text = answer.completion, answer.text.strip()[: summaries.MOST_CHARACTERS]
        if completion.failure.reason == gone_models.UNKNOWN and gone_models.takes_own(turn):
            return await self._summarise(draft)
        if completion.fallback or not text:
            return self.failed(turn, _reason(completion), completion=completion)
        return Ending(REPLIED, usage=took(completion), summary=text, summary_seq=covers)

    def _heard(self, turn: LeasedTurn) -> Language | None:
        texts = [message.text for message in turn.messages if commands.parse(message.text) is None]
        return languages.follow(turn.setting.language, texts, detector=self._rules.detector)

    def _draft(self, turn: LeasedTurn) -> Draft:
        return Draft(turn, texts=self._rules.texts)

    def _budget(self, turn: LeasedTurn) -> Budget:
        model, reserve = turn.setting.model, turn.setting.reserve_tokens or self._rules.reserve_tokens
        return Budget(self._model.window(model), reserve, self._model.characters_per_token(model))

    def _seconds(self, turn: LeasedTurn) -> float:
        """How long the model may take: the commit must come before the turn's own deadline."""
        seconds = self._rules.timeout_seconds
        if not turn.HasField("deadline_at"):
            return seconds
        return min(seconds, (moment(turn.deadline_at) - self._now()).total_seconds() - COMMIT_SECONDS)


def _reason(completion: Completion) -> str:
    """Why there is no answer."""
    return kind_of(completion.failure.reason)().name.lower() if completion.fallback else "model_empty"
