"""Does a person hear of a failure once, and of the second try only when it succeeds?"""

from datetime import timedelta

import pytest

from agent_service.domain.draft import FAILED, REPLIED, SUPPRESSED
from kit.errors import ModelTimeout
from parley.chat.v1.message_pb2 import Message, Role
from parley.storage.v1.manners_pb2 import Manners
from parley.storage.v1.turn_requests_pb2 import LeasedTurn
from tests.unit.agent.telling import Models, a_fallback, a_turn, an_answer, said, told

LATER = Manners(try_again_seconds=600)


def second(*texts: str) -> LeasedTurn:
    """What failed before: the person was told so behind their messages."""
    turn = a_turn(*texts, manners=LATER)
    turn.second_try = True
    turn.history.append(said("sorry", Role.ROLE_AGENT, seq=len(texts) + 1))
    return turn


@pytest.mark.parametrize(("seconds", "again"), [(0, None), (600, timedelta(minutes=10))])
async def test_a_failure_is_tried_again_only_where_the_agent_says_so(seconds: int, again: timedelta | None) -> None:
    manners = Manners(try_again_seconds=seconds)
    ending = await told(a_turn("hi", manners=manners), Models(a_fallback(ModelTimeout())))
    assert (ending.state, ending.replies, ending.try_again) == (FAILED, ("sorry",), again)


async def test_a_second_try_that_succeeds_is_answered() -> None:
    ending = await told(second("what is the price?"), Models(an_answer("12 euros")))
    assert (ending.state, ending.replies, ending.try_again) == (REPLIED, ("12 euros",), None)


async def test_a_second_failure_is_told_to_nobody() -> None:
    ending = await told(second("what is the price?"), Models(a_fallback(ModelTimeout())))
    assert (ending.state, ending.reason, ending.replies, ending.try_again) == (SUPPRESSED, "model_timeout", (), None)


async def test_who_wrote_since_is_told() -> None:
    turn = second("what is the price?")
    turn.messages.append(Message(seq=9, role=Role.ROLE_CONTACT, text="hello?"))
    ending = await told(turn, Models(a_fallback(ModelTimeout())))
    assert (ending.state, ending.replies, ending.try_again) == (FAILED, ("sorry",), None)


async def test_what_was_commanded_with_the_first_try_is_not_done_again() -> None:
    model = Models(an_answer("12 euros"))
    ending = await told(second("/status", "what is the price?"), model)
    assert ending.replies == ("12 euros",)
    assert model.texts()[-1] == "what is the price?"
