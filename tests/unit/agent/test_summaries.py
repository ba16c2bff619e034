"""When is a summary wanted, what is the model asked for it, and what becomes of its answer?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_service.domain.context import Budget
from agent_service.domain.summaries import NONE, prompt
from agent_service.domain.turn import Story
from kit.errors import ModelEmpty, ModelUnavailable
from parley.chat.v1.message_pb2 import Message, Role, TurnKind, TurnState
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, TurnSetting
from tests.unit.agent.telling import NOW, RULES, Answer, Models, a_fallback, a_turn, an_answer, said, told

SUMMARY = TurnKind.TURN_KIND_SUMMARY


def a_summary_turn(*history: Message, summary: str = "", failed: int = 0) -> LeasedTurn:
    turn = a_turn(history=history, summary=summary, failed_in_row=failed)
    turn.kind = SUMMARY
    return turn


def messages(count: int, size: int) -> list[Message]:
    return [said("x" * size, Role.ROLE_CONTACT if seq % 2 else Role.ROLE_AGENT, seq=seq) for seq in range(1, count + 1)]


@pytest.mark.parametrize(
    ("count", "size", "covers", "wanted"),
    [
        (60, 300, 0, True),
        (51, 300, 0, True),
        (50, 300, 0, False),
        (60, 30, 0, False),
        (60, 300, 9, True),
        (60, 300, 10, False),
    ],
)
async def test_a_summary_is_wanted_after_many_messages_that_fill_the_window(
    count: int, size: int, covers: int, wanted: bool
) -> None:
    turn = a_turn("and now?", history=messages(count, size), summary_seq=covers)

    assert (await told(turn)).wants_summary is wanted


@pytest.mark.parametrize(
    ("size", "reserve", "system", "summary", "wanted"),
    [
        (180, 512, "", "", False),
        (180, 2048, "", "", True),  # half of the window is kept for the answer, and the oldest have no room
        (180, 512, "s" * 5000, "", True),
        (4, 512, "", "s" * 14_000, True),  # an old summary that has no room is made anew, shorter
        (4, 512, "", "s" * 1000, False),
    ],
)
async def test_a_summary_is_wanted_when_something_had_no_room(
    size: int, reserve: int, system: str, summary: str, wanted: bool
) -> None:
    before = messages(51, size)
    turn = a_turn("and now?", history=before, reserve_tokens=reserve, system_prompt=system, summary=summary)

    assert (await told(turn)).wants_summary is wanted


async def test_the_model_extends_the_summary_and_the_turn_carries_it_without_a_reply() -> None:
    model = Models(an_answer("  They met in Lima.  "))

    ending = await told(
        a_summary_turn(said("Hi, I am Ana"), said("Hi Ana!", Role.ROLE_AGENT), summary="Nothing yet."), model
    )

    assert (ending.state, ending.summary, ending.replies) == (TurnState.TURN_STATE_REPLIED, "They met in Lima.", ())
    assert ending.usage.input_tokens == 3
    assert model.texts() == ["Notes so far: Nothing yet.\nPerson: Hi, I am Ana\nAssistant: Hi Ana!"]
    assert not model.asked[0].prompt.tools
    assert model.asked[0].fallback_text == NONE
    assert not model.asked[0].prompt.HasField("model_conversation")


@pytest.mark.parametrize("answer", [ModelUnavailable(), an_answer(" "), a_fallback(ModelUnavailable())])
async def test_a_failure_is_told_to_nobody_and_asks_for_no_human(answer: Answer) -> None:
    ending = await told(a_summary_turn(said("Hi"), failed=9), Models(answer))

    assert (ending.state, ending.replies, ending.summary, ending.change) == (TurnState.TURN_STATE_FAILED, (), "", None)


async def test_a_summary_that_a_model_thought_about_and_did_not_write_costs_what_it_took() -> None:
    answer = a_fallback(ModelEmpty())
    answer.completion.input_tokens, answer.completion.output_tokens = 900, 2000

    ending = await told(a_summary_turn(said("Hi")), Models(answer))

    assert (ending.state, ending.reason) == (TurnState.TURN_STATE_FAILED, "model_empty")
    assert (ending.usage.input_tokens, ending.usage.output_tokens) == (900, 2000)


@pytest.mark.parametrize("answer", [ModelUnavailable(), an_answer(""), a_fallback(ModelUnavailable())])
async def test_after_a_summary_that_failed_none_is_asked_for_until_more_was_said(answer: Answer) -> None:
    """A model that thinks until its limit fails each time, and each time costs as much as an answer."""
    story = Story(Models(answer, an_answer()), RULES, now=lambda: NOW)
    other = a_turn("and now?", history=messages(60, 300))
    other.conversation_id = "c2"

    assert (await story.tell(a_summary_turn(*messages(30, 300)))).state == TurnState.TURN_STATE_FAILED

    wanted = {
        seq: (await story.tell(a_turn("so?", history=messages(seq - 1, 300)))).wants_summary for seq in (61, 75, 76)
    }
    assert wanted == {61: False, 75: False, 76: True}
    assert (await story.tell(other)).wants_summary


@pytest.mark.parametrize(("window", "most"), [(1024, 256), (4096, 1024), (128_000, 2048)])
def test_a_model_that_thinks_has_room_for_it_where_the_window_has(window: int, most: int) -> None:
    assert prompt(a_summary_turn(said("Hi")), Budget(window, 512)).prompt.max_output_tokens == most


async def test_a_tenant_without_tokens_for_today_gets_no_summary() -> None:
    model = Models()
    turn = a_summary_turn(said("Hi"))
    turn.setting.manners.tokens_per_day = turn.setting.tenant_tokens_today = 1000

    ending = await told(turn, model)

    assert (ending.state, ending.reason, ending.replies) == (TurnState.TURN_STATE_FAILED, "budget_spent", ())
    assert model.asked == []


@given(
    history=st.lists(st.integers(0, 5000), max_size=60),
    summary=st.integers(0, 20_000),
    window=st.integers(512, 40_000),
    per_token=st.floats(1.0, 8.0),
)
def test_the_prompt_fits_any_window(history: list[int], summary: int, window: int, per_token: float) -> None:
    budget = Budget(window, 512, per_token)
    turn = LeasedTurn(history=[said("x" * size) for size in history], setting=TurnSetting(summary="s" * summary))

    asked, _ = prompt(turn, budget)

    assert sum(budget.cost(message) for message in asked.messages) + asked.max_output_tokens <= window


@pytest.mark.parametrize("window", [512, 2048, 4096, 128_000])
@pytest.mark.parametrize("notes", ["", "n" * 9000])
async def test_a_summary_covers_what_its_model_read_and_the_next_one_goes_on_behind_it(window: int, notes: str) -> None:
    left = messages(30, 900)
    for message in left:
        message.text = f"#{message.seq:02d} {message.text}"
    whole, read = len(left), list[str]()
    while left:
        model = Models(an_answer("notes"), window=window)
        ending = await told(a_summary_turn(*left, summary=notes), model)
        some = [message for message in left if ending.summary_seq in (0, *range(message.seq, whole + 1))]
        asked = model.texts()[0]
        assert [message.seq for message in some] == [message.seq for message in left if message.text[:4] in asked]
        read += [message.text[:4] for message in some]
        left = left[len(some) :]

    assert read == [f"#{number:02d} " for number in range(1, whole + 1)]


async def test_a_summary_reads_what_a_person_wrote_to_its_end_and_of_an_answer_the_beginning() -> None:
    text = "x" * 2000 + " my order is 4711"
    model = Models(an_answer("notes"), window=128_000)

    await told(a_summary_turn(said(text), said(text, Role.ROLE_AGENT)), model)

    assert model.texts() == [f"Person: {text}\nAssistant: {text[:1000]}"]
