"""Who gets no more messages because of one word, and who does in spite of one?"""

from pathlib import Path

import pytest

from agent_service.domain.opting import OUT
from agent_service.settings import Settings
from kit.settings import SettingsError, load
from parley.chat.v1.message_pb2 import Owner, TurnState
from parley.storage.v1.conversation_change_pb2 import ConversationChange, Language
from tests.unit.agent.telling import Models, a_turn, told

NO_FILE = Path("/nonexistent")
GONE = ConversationChange(opted_out=True)
BACK = ConversationChange(opted_out=False)


@pytest.mark.parametrize("word", sorted(OUT))
async def test_every_word_ends_it_with_one_sentence_and_no_model(word: str) -> None:
    model = Models()

    ending = await told(a_turn(word.upper(), channel="sms"), model)

    assert (ending.state, len(ending.replies), ending.change) == (TurnState.TURN_STATE_REPLIED, 1, GONE)
    assert model.asked == []


@pytest.mark.parametrize(
    "text", [" stop ", "Stop!", "¡¡BAJA!!", "\u201cstop\u201d", "STOPALL.", "stop\n", "Cancelar suscripción"]
)
async def test_case_accents_spaces_and_marks_around_it_do_not_matter(text: str) -> None:
    assert (await told(a_turn(text, channel="sms"))).change == GONE


@pytest.mark.parametrize(
    "text",
    [
        "Please stop the order",
        "stop by tomorrow",
        "can I cancel?",
        "non-stop",
        "stop" + " " * 80 + "no",
        "unstoppable",
        "/cancel",
    ],
)
async def test_a_word_within_a_sentence_is_only_a_word(text: str) -> None:
    ending = await told(a_turn(text, channel="sms"))

    assert ending.replies == ("hi",)
    assert ending.change is None or not ending.change.HasField("opted_out")


@pytest.mark.parametrize("channel", ["webchat", "telegram", "api", ""])
async def test_where_it_is_not_meant_the_model_gets_the_word(channel: str) -> None:
    model = Models()

    await told(a_turn("CANCEL", channel=channel), model)

    assert model.texts() == ["CANCEL"]


@pytest.mark.parametrize(
    ("word", "language", "part"),
    [("stop", "", "START"), ("baja", "", "ALTA"), ("sair", "", "COMEÇAR"), ("stop", "es", "ALTA")],
)
async def test_the_sentence_is_in_the_language_of_the_contact_or_of_the_word(
    word: str, language: str, part: str
) -> None:
    ending = await told(a_turn(word, channel="sms", language=Language(code=language)))

    assert part in ending.replies[0]


async def test_what_else_was_said_in_the_same_breath_does_not_reach_the_model() -> None:
    model = Models()

    ending = await told(a_turn("where is it?", "STOP", "really", channel="sms"), model)

    assert (ending.change, model.asked) == (GONE, [])


@pytest.mark.parametrize("word", ["START", "unstop", "Alta", "COMEÇAR", "Sí", "yes", "sim!"])
async def test_somebody_who_left_comes_back_by_a_word(word: str) -> None:
    ending = await told(a_turn(word, channel="telegram", owner=Owner.OWNER_NONE))

    assert (ending.state, ending.change) == (TurnState.TURN_STATE_REPLIED, BACK)
    assert len(ending.replies) == 1


async def test_of_two_words_in_one_breath_the_last_one_holds() -> None:
    assert (await told(a_turn("stop", "start", channel="sms"))).change == BACK
    assert (await told(a_turn("start", "stop", channel="sms"))).change == GONE
    assert (await told(a_turn("stop", "yes", channel="sms"))).change == GONE


@pytest.mark.parametrize("word", ["START", "yes", "sim"])
async def test_to_somebody_who_never_left_start_is_a_word_like_any_other(word: str) -> None:
    assert (await told(a_turn(word, channel="sms"))).replies == ("hi",)


@pytest.mark.parametrize("text", ["hello", "stop"])
async def test_somebody_who_left_is_told_nothing_more(text: str) -> None:
    ending = await told(a_turn(text, channel="sms", owner=Owner.OWNER_NONE, opted_out=True))

    assert (ending.state, ending.replies, ending.change) == (TurnState.TURN_STATE_SUPPRESSED, (), None)


@pytest.mark.parametrize("owner", [Owner.OWNER_HUMAN, Owner.OWNER_QUEUE, Owner.OWNER_NONE])
async def test_a_stop_is_heard_whoever_answers(owner: Owner) -> None:
    ending = await told(a_turn("stop", channel="sms", owner=owner))

    assert (ending.state, len(ending.replies), ending.change) == (TurnState.TURN_STATE_REPLIED, 1, GONE)


@pytest.mark.parametrize("owner", [Owner.OWNER_HUMAN, Owner.OWNER_QUEUE, Owner.OWNER_NONE])
async def test_so_is_the_way_back_of_somebody_who_left(owner: Owner) -> None:
    assert (await told(a_turn("start", channel="sms", owner=owner, opted_out=True))).change == BACK


@pytest.mark.parametrize(("listed", "names"), [(" , ", ""), ("SMS, WhatsApp,", "sms,whatsapp"), ("x_2", "x_2")])
def test_channels_are_named_in_any_case(listed: str, names: str) -> None:
    assert load(Settings, environ={"AGENT_OPT_OUT_CHANNELS": listed}, env_file=NO_FILE).agent_opt_out_channels == names


@pytest.mark.parametrize("listed", ["sms;whatsapp", "sms whatsapp", "*", "sms,what-sapp", "a" * 33])
def test_what_is_no_list_of_channels_stops_the_start(listed: str) -> None:
    """Taken as the name of a channel, it would let no word end anything."""
    with pytest.raises(SettingsError, match="should be names of channels, divided by commas"):
        load(Settings, environ={"AGENT_OPT_OUT_CHANNELS": listed}, env_file=NO_FILE)
