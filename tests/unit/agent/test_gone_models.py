"""Who answers when the model that somebody chose is there no more?"""

from datetime import datetime, timedelta

import pytest

from agent_service.domain.turn import Story
from kit.errors import ModelRefused, ModelUnknown
from parley.chat.v1.message_pb2 import TurnKind, TurnState
from parley.llm.v1.llm_service_pb2 import GenerateRequest, GenerateResponse
from tests.unit.agent.telling import NOW, RULES, Models, a_fallback, a_turn, an_answer, told
from tests.unit.agent.telling import said as was_said

GONE = a_fallback(ModelUnknown())


def asked_for(model: Models) -> list[str]:
    return [request.prompt.model for request in model.asked]


@pytest.mark.parametrize("own", ["", "small"])
async def test_the_agents_own_answers(own: str) -> None:
    model = Models(GONE, an_answer("hi"))

    ending = await told(a_turn("hello", model="gone", own_model=own), model)

    assert (ending.state, ending.replies) == (TurnState.TURN_STATE_REPLIED, ("hi",))
    assert asked_for(model) == ["gone", own]
    assert model.texts() == ["hello"]


@pytest.mark.parametrize(("chosen", "answer"), [("small", GONE), ("big", a_fallback(ModelRefused()))])
async def test_nobody_is_asked_twice_for_another_reason_or_for_the_own_one(
    chosen: str, answer: GenerateResponse
) -> None:
    model = Models(answer)

    ending = await told(a_turn("hello", model=chosen, own_model="small"), model)

    assert (ending.replies, asked_for(model)) == (("sorry",), [chosen])


async def test_the_own_one_has_the_time_that_is_left_and_is_not_asked_without_any() -> None:
    for took, asked in ((5, [25.0, 20.0]), (25, [25.0])):
        model = Slow(timedelta(seconds=took))

        await Story(model, RULES, now=model.now).tell(a_turn("hello", model="gone", own_model="small"))

        assert model.given == asked


@pytest.mark.parametrize("own", ["", "small"])
async def test_the_agents_own_makes_the_summary_too_within_its_own_window(own: str) -> None:
    model = Models(GONE, an_answer("They met."))
    turn = a_turn(history=[was_said("hello", seq=1)], model="gone", own_model=own)
    turn.kind = TurnKind.TURN_KIND_SUMMARY

    ending = await told(turn, model)

    assert (ending.state, ending.summary) == (TurnState.TURN_STATE_REPLIED, "They met.")
    assert asked_for(model) == ["gone", own]
    assert model.texts() == ["Person: hello"]


async def test_a_summary_that_the_agents_own_cannot_make_either_is_asked_for_no_more() -> None:
    model = Models(GONE)
    turn = a_turn(history=[was_said("hello", seq=1)], model="gone", own_model="small")
    turn.kind = TurnKind.TURN_KIND_SUMMARY

    ending = await told(turn, model)

    assert (ending.state, ending.reason) == (TurnState.TURN_STATE_FAILED, "model_unknown")
    assert asked_for(model) == ["gone", "small"]


class Slow(Models):
    """Knows no model, and takes its time to say so."""

    def __init__(self, takes: timedelta) -> None:
        super().__init__(GONE)
        self._takes, self._now = takes, NOW
        self.given: list[float] = []

    def now(self) -> datetime:
        return self._now

    async def generate(self, request: GenerateRequest, *, seconds: float) -> GenerateResponse:
        self.given.append(seconds)
        self._now += self._takes
        return await super().generate(request, seconds=seconds)
