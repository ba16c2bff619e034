"""What would texts meet? Rules alone are asked, for programs and people that try them out."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from agent_service.domain.guard.engine import Engine
from agent_service.domain.guard.verdict import Action, Side, Verdict
from kit.moments import span
from parley.agent.v1 import agent_service_pb2 as agent

ACTIONS = {
    Action.PASS: agent.GUARD_ACTION_PASS,
    Action.MARK: agent.GUARD_ACTION_MARK,
    Action.RESTRICT_TOOLS: agent.GUARD_ACTION_RESTRICT_TOOLS,
    Action.BLOCK: agent.GUARD_ACTION_BLOCK,
}


class Checks:
    """Answers CheckText. `clock` is seconds, of any beginning."""

    def __init__(self, engine: Engine, *, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock

    async def check(self, request: agent.CheckTextRequest) -> agent.CheckTextResponse:
        """One verdict per text. Other calls get their turn between two texts."""
        side = Side.OUTPUT if request.side == agent.GUARD_SIDE_OUTPUT else Side.INPUT
        response = agent.CheckTextResponse()
        for text in request.texts:
            began = self._clock()
            verdict = self._engine.check(text, side=side)
            response.verdicts.append(_verdict(verdict, self._clock() - began))
            await asyncio.sleep(0)
        return response


def _verdict(verdict: Verdict, seconds: float) -> agent.TextVerdict:
    return agent.TextVerdict(
        action=ACTIONS[verdict.action],
        rule_ids=[hit.rule for hit in verdict.hits],
        categories=list(dict.fromkeys(hit.category for hit in verdict.hits)),
        unsure=verdict.unsure,
        normalised=verdict.disguised,
        took=span(timedelta(seconds=seconds)),
    )
