"""What follows for a turn from what was said? Rules first, then a judge where they only suspect; everything is told."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from agent_service.domain.guard.engine import NO_CONTEXT, NO_POLICY, Engine
from agent_service.domain.guard.findings import Context
from agent_service.domain.guard.judge import Judge, Opinion, Suspicion, asked
from agent_service.domain.guard.verdict import Action, Hit, Policy, Side, Verdict
from agent_service.domain.guard.violations import Violations
from parley.storage.v1.turn_requests_pb2 import Usage

REASON = "guardrail:"
JUDGE_UNKNOWN = "judge.unknown"
# Texts of which it is known whether rules block them: a history is looked at with each turn. Some megabytes.
MOST_REMEMBERED = 50_000
# A history may hold many texts of this many characters: other turns go on between two of them.
LONG = 500


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows. `reason` is set when it is blocked."""

    action: Action
    reason: str = ""
    judged: Usage = field(default_factory=Usage)  # what the judge took

    @property
    def blocks(self) -> bool:
        return self.action == Action.BLOCK

    @property
    def restricts_tools(self) -> bool:
        return self.action == Action.RESTRICT_TOOLS


_PASSED = Decision(Action.PASS)


class Guard:
    """Looks at both sides of a turn. `policy` is what a tenant wants otherwise."""

    def __init__(self, engine: Engine, violations: Violations, *, judge: Judge, judge_seconds: float) -> None:
        self._engine = engine
        self._violations = violations
        self._judge = judge
        self._judge_seconds = judge_seconds
        self._blocked: dict[bytes, bool] = {}

    async def input(
        self, tenant_id: str, texts: Sequence[str], *, policy: Policy = NO_POLICY, language: str = ""
    ) -> Decision:
        """What the new messages of a turn, taken together, lead to. The language is for the judge, if known."""
        written = "\n\n".join(texts)
        verdict = self._engine.check(written, policy=policy)
        if policy is NO_POLICY:
            self._remember(_name(written), verdict)
        if not verdict.unsure:
            return self._decided(tenant_id, verdict.hits, side=Side.INPUT)
        suspicion = _suspicion(verdict, tenant_id, texts=texts, language=language)
        hits = _judged(verdict, await asked(self._judge, suspicion, seconds=self._judge_seconds))
        return replace(self._decided(tenant_id, hits, side=Side.INPUT), judged=suspicion.took)

    async def refuses(self, text: str) -> bool:
        """Whether rules alone block what somebody wrote, however long ago. Nothing is counted, and nobody is asked."""
        name = _name(text)
        known = self._blocked.get(name)
        if known is None:
            known = self._remember(name, self._engine.check(text))
            if len(text) > LONG:
                await asyncio.sleep(0)
        return known

    def output(
        self, tenant_id: str, answer: str, *, context: Context = NO_CONTEXT, policy: Policy = NO_POLICY
    ) -> Decision:
        """What an answer leads to, seen beside what the model was shown."""
        verdict = self._engine.check(answer, side=Side.OUTPUT, context=context, policy=policy)
        return self._decided(tenant_id, verdict.hits, side=Side.OUTPUT)

    def lets_pass(self, answer: str, *, context: Context = NO_CONTEXT, policy: Policy = NO_POLICY) -> bool:
        """Whether an answer would not be blocked as far as it goes. Nothing is counted."""
        return self._engine.check(answer, side=Side.OUTPUT, context=context, policy=policy).action < Action.BLOCK

    def _remember(self, name: bytes, verdict: Verdict) -> bool:
        if len(self._blocked) >= MOST_REMEMBERED:
            self._blocked.clear()
        blocks = self._blocked[name] = verdict.action == Action.BLOCK
        return blocks

    def _decided(self, tenant_id: str, hits: tuple[Hit, ...], *, side: Side) -> Decision:
        if not hits:
            return _PASSED
        self._violations.note(tenant_id, hits, side=side)
        verdict = Verdict(hits)
        deciding = verdict.deciding
        if deciding is None or verdict.action < Action.BLOCK:
            return Decision(verdict.action)
        return Decision(verdict.action, f"{REASON}{deciding.rule}")


def _name(text: str) -> bytes:
    """By which a text is known, however long it is."""
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


def _suspicion(verdict: Verdict, tenant_id: str, *, texts: Sequence[str], language: str) -> Suspicion:
    suspects = [hit for hit in verdict.hits if hit.unsure]
    categories = dict.fromkeys(hit.category for hit in suspects)
    return Suspicion(tenant_id, tuple(texts), tuple(hit.rule for hit in suspects), tuple(categories), language)


def _judged(verdict: Verdict, opinion: Opinion) -> tuple[Hit, ...]:
    """An attack blocks, by the name of the rule that suspected it. No opinion restricts tools, and never blocks."""
    if opinion is Opinion.HARMLESS:
        return verdict.hits
    if opinion is Opinion.UNKNOWN:
        suspect = next(hit for hit in verdict.hits if hit.unsure)
        return (*verdict.hits, Hit(JUDGE_UNKNOWN, suspect.category, Action.RESTRICT_TOOLS))
    return tuple(Hit(hit.rule, hit.category, Action.BLOCK if hit.unsure else hit.action) for hit in verdict.hits)
