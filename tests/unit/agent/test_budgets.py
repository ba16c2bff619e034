"""Does it end when two agents are wired to each other, and is a person told once why there is no answer?"""

from datetime import timedelta

import pytest

from agent_service.domain.texts import TEXTS
from parley.chat.v1.message_pb2 import Message, Role, TurnState
from parley.storage.v1.conversation_change_pb2 import Language
from parley.storage.v1.manners_pb2 import Manners
from tests.unit.agent.telling import Models, a_turn, said, told

FAILED, SUPPRESSED = TurnState.TURN_STATE_FAILED, TurnState.TURN_STATE_SUPPRESSED
LATER, TOMORROW = TEXTS["turns_spent"]["en"], TEXTS["tokens_spent"]["en"]
DAY = Manners(tokens_per_day=1000)


async def test_up_to_the_limit_the_model_answers() -> None:
    assert (await told(a_turn("hello", turns_in_hour=200))).replies == ("hi",)
    assert (await told(a_turn("hello", turns_in_hour=5, manners=Manners(turns_per_hour=5)))).replies == ("hi",)
    assert (await told(a_turn("hello", tenant_tokens_today=999, manners=DAY))).replies == ("hi",)
    assert (await told(a_turn("hello", tenant_tokens_today=10**9))).replies == ("hi",)


@pytest.mark.parametrize(("count", "limit"), [(201, 0), (6, 5)])
async def test_the_first_turn_over_the_hours_limit_is_told_and_asks_no_model(count: int, limit: int) -> None:
    model = Models()

    ending = await told(a_turn("hello", turns_in_hour=count, manners=Manners(turns_per_hour=limit)), model)

    assert (ending.state, ending.reason, ending.replies) == (FAILED, "budget_spent", (LATER,))
    assert model.asked == []


async def test_it_is_said_in_the_language_of_the_contact() -> None:
    ending = await told(a_turn("123", turns_in_hour=201, language=Language(code="es")))

    assert ending.replies == (TEXTS["turns_spent"]["es"],)


@pytest.mark.parametrize("code", ["en", "es", "pt"])
async def test_who_was_told_is_met_with_silence(code: str) -> None:
    history = [said(TEXTS["turns_spent"][code], Role.ROLE_AGENT)]

    ending = await told(a_turn("hello", history=history, turns_in_hour=202))

    assert (ending.state, ending.reason, ending.replies) == (SUPPRESSED, "budget_spent", ())


async def test_far_over_the_limit_there_is_silence_even_when_the_history_is_not_known() -> None:
    assert (await told(a_turn("hello", turns_in_hour=204))).replies == ()


@pytest.mark.parametrize(("minutes", "replies"), [(59, ()), (61, (LATER,))])
async def test_an_hour_later_it_may_be_said_again(minutes: int, replies: tuple[str, ...]) -> None:
    history = [said(LATER, Role.ROLE_AGENT, ago=timedelta(minutes=minutes))]

    assert (await told(a_turn("hello", history=history, turns_in_hour=201))).replies == replies


@pytest.mark.parametrize(("hours", "replies"), [(11, ()), (13, (TOMORROW,))])
async def test_when_the_tenants_day_is_spent_it_is_said_once_a_day(hours: int, replies: tuple[str, ...]) -> None:
    history = [said(TOMORROW, Role.ROLE_AGENT, ago=timedelta(hours=hours))]

    ending = await told(a_turn("hello", history=history, tenant_tokens_today=1000, manners=DAY))

    assert (ending.reason, ending.replies) == ("budget_spent", replies)


async def test_what_a_contact_writes_does_not_count_as_said() -> None:
    assert (await told(a_turn("hello", history=[said(LATER)], turns_in_hour=201))).replies == (LATER,)


async def test_commands_are_answered_all_the_same() -> None:
    ending = await told(a_turn("/reset", turns_in_hour=300))

    assert ending.replies == ("Done: we begin anew.",)


async def test_a_command_and_a_question_over_the_limit_bring_the_commands_reply() -> None:
    ending = await told(a_turn("/lang en", "hello", turns_in_hour=300))

    assert (ending.state, len(ending.replies)) == (TurnState.TURN_STATE_REPLIED, 1)


async def test_two_agents_wired_to_each_other_stop() -> None:
    """Each says what the other said last; each sees the turns of its own side."""
    histories: tuple[list[Message], list[Message]] = ([], [])
    word, spoken = "hello", 0
    for step in range(1000):
        side = step % 2
        turn = a_turn(word, history=histories[side][-20:], turns_in_hour=step // 2 + 1)
        ending = await told(turn)
        if not ending.replies:
            break
        spoken += 1
        histories[side].extend([said(word), said(ending.replies[0], Role.ROLE_AGENT)])
        word = ending.replies[0]

    assert spoken == 402
