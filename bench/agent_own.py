"""What does a turn cost in the agent's own code? Told again and again from real leases, each read anew from its bytes.

The model answers within the process and at once. Nothing is awaited, so the thread's clock shows this code alone.
"""

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from agent_service.domain.turn import Rules, Story
from bench import instant_llm
from bench.baselines import straight
from kit.moments import utc_now
from parley.llm.v1 import llm_service_pb2 as llm
from parley.storage.v1.turn_requests_pb2 import LeasedTurn

OWN, STRAIGHT, LEASE = "agent, Story.tell", "straight, join what was said", "reading the lease from its bytes"
RULES = Rules(25.0, 512, "Sorry, I cannot answer right now.", opt_out_channels=frozenset({"sms", "whatsapp"}))
Spent = Mapping[tuple[str, int], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU microseconds of one turn."""

    median: float
    tail: float = 0.0


class InstantModel:
    """What the agent's own code takes for the model service."""

    def window(self, _model: str) -> int:
        return instant_llm.WINDOW_TOKENS

    def characters_per_token(self, _model: str) -> float:
        return 4.0

    def names(self) -> tuple[str, ...]:
        return ("instant",)

    async def generate(self, _request: llm.GenerateRequest, *, seconds: float) -> llm.GenerateResponse:
        assert seconds > 0
        return instant_llm.ANSWER


def measure(leased: Mapping[int, Sequence[bytes]], *, rounds: int, turns: int) -> dict[tuple[str, int], Cost]:
    """By code and length of the history: the median of the rounds' p50 and p99."""
    told = [asyncio.run(_round(leased, turns)) for _ in range(rounds + 1)][1:]  # the first one warms up
    return {key: _cost([each[key] for each in told]) for key in told[0]}


def _cost(rounds: Sequence[Sequence[int]]) -> Cost:
    spreads = [statistics.quantiles(each, n=100) for each in rounds]
    return Cost(*(statistics.median(spread[at] for spread in spreads) / 1000 for at in (49, 98)))


async def _round(leased: Mapping[int, Sequence[bytes]], turns: int) -> Spent:
    """One turn of each length after the other, so that whatever else the machine does meets them all."""
    story, spent = Story(InstantModel(), RULES, now=utc_now), defaultdict[tuple[str, int], list[int]](list)
    for number in range(turns):
        for history, wires in leased.items():
            wire = wires[number % len(wires)]
            began = time.thread_time_ns()
            turn = LeasedTurn.FromString(wire)
            read = time.thread_time_ns()
            ending = await story.tell(turn)
            told = time.thread_time_ns()
            assert ending.replies == (instant_llm.ANSWER.text,), ending
            spent[LEASE, history].append(read - began)
            spent[OWN, history].append(told - read)
            spent[STRAIGHT, history].append(_spent(straight.prompt, LeasedTurn.FromString(wire)))
    return spent


def _spent(code: Callable[[LeasedTurn], object], turn: LeasedTurn) -> int:
    began = time.thread_time_ns()
    code(turn)
    return time.thread_time_ns() - began
