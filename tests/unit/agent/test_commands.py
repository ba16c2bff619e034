"""What is answered to a command, what does it change, and what is left for the model?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_service.domain.commands import Command, parse
from agent_service.domain.draft import MOST_REPLIES
from parley.chat.v1.message_pb2 import Attachment, AttachmentKind, Role, TurnState
from parley.storage.v1.conversation_change_pb2 import ConversationChange, HandOffReason, Language
from parley.storage.v1.manners_pb2 import Manners, UnknownCommand
from tests.unit.agent.telling import Models, a_turn, said, told

HINT = UnknownCommand.UNKNOWN_COMMAND_HINT
SPANISH = Language(code="es", confidence=0.9)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("/help", Command("help", "")),
        ("  /HELP  ", Command("help", "")),
        ("\u200b/help", Command("help", "")),
        ("\uff0fhelp", Command("help", "")),
        ("/help@our_bot", Command("help", "")),
        ("/model@our_bot llama3.2:1b", Command("model", "llama3.2:1b")),
        ("/lang\npt", Command("lang", "pt")),
        ("/order-status 12 13", Command("order-status", "12 13")),
        ("/пр", Command("пр", "")),
        ("/", None),
        ("/ help", None),
        ("//help", None),
        ("/etc/passwd", None),
        ("/24", None),
        ("what does /help do?", None),
        ("help", None),
        ("", None),
    ],
)
def test_only_a_message_that_begins_with_a_slash_and_a_word_is_a_command(text: str, command: Command | None) -> None:
    assert parse(text) == command


@given(st.text(max_size=200), st.sampled_from(["", "/", "/help", " /", "/model ", "/lang "]))
async def test_whatever_is_written_a_turn_ends_with_a_reply(text: str, before: str) -> None:
    ending = await told(a_turn(before + text, manners=Manners(models=["big"], unknown_command=HINT)))

    assert ending.replies
    assert all(reply.strip() for reply in ending.replies)


@pytest.mark.parametrize(("code", "word"), [("", "also understand"), ("es", "entiendo"), ("pt-BR", "entendo")])
async def test_help_lists_what_there_is_in_the_language_of_the_contact_without_a_model(code: str, word: str) -> None:
    model = Models()
    manners = Manners(commands={"hours": "9 to 5"})

    ending = await told(a_turn("/help", manners=manners, language=Language(code=code)), model)

    (text,) = ending.replies
    assert ending.state == TurnState.TURN_STATE_REPLIED
    assert word in text
    assert [line.split(":")[0] for line in text.splitlines()[1:]] == [
        *("/help", "/model", "/reset", "/status", "/human", "/lang", "/hours")
    ]
    assert model.asked == []


@pytest.mark.parametrize(("text", "reply"), [("/hours", "9 to 5"), ("/Hours now", "9 to 5"), ("/help", "Ask Ana.")])
async def test_a_command_of_the_tenants_own_is_answered_with_its_text_and_goes_before_ours(
    text: str, reply: str
) -> None:
    ending = await told(a_turn(text, manners=Manners(commands={"hours": "9 to 5", "/help": "Ask Ana."})))

    assert ending.replies == (reply,)


async def test_an_unknown_command_goes_to_the_model_unless_the_agent_gives_a_hint() -> None:
    model = Models()

    to_model = await told(a_turn("/dance"), model)
    hint = await told(a_turn("/dance", manners=Manners(unknown_command=HINT)), model)

    assert to_model.replies == ("hi",)
    assert model.texts() == ["/dance"]
    assert "/dance" in hint.replies[0]
    assert "/help" in hint.replies[0]
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    ("argument", "model", "part"),
    [
        ("", None, "small"),
        ("Big", "big", "big"),
        ("small", "small", "small"),
        ("default", "", "default"),
        ("gone", None, "gone is not to be had"),
        ("gpt-9", None, "You may choose: big, default"),
    ],
)
async def test_a_model_is_chosen_from_those_that_are_allowed_and_exist(
    argument: str, model: str | None, part: str
) -> None:
    turn = a_turn(f"/model {argument}", model="small", manners=Manners(models=["big", "gone"]))

    ending = await told(turn, Models(names=("big:latest", "small")))

    assert part in ending.replies[0]
    assert (ending.change.model if ending.change else None) == model


async def test_without_other_models_there_is_none_to_choose() -> None:
    ending = await told(a_turn("/model"))

    assert ending.replies == ("The model is the default. There is no other to choose.",)
    assert ending.change is None


async def test_a_reset_takes_back_what_was_said_and_chosen_before_it() -> None:
    model = Models()
    turn = a_turn(
        *("Old question?", "/model big", "/reset", "New question?"),
        history=[said("hello", seq=1)],
        summary="They met.",
        model_conversation="conv_1",
        manners=Manners(models=["big"]),
    )

    ending = await told(turn, model)

    assert model.texts() == ["New question?"]
    assert "They met." not in str(model.asked)
    assert model.asked[0].prompt.model_conversation == ""
    assert ending.replies == ("From now on big answers.", "Done: we begin anew.", "hi")
    assert ending.change is not None
    assert (ending.change.reset, ending.change.HasField("model")) == (True, False)


async def test_status_says_who_answers_in_what_language_and_after_how_many_messages() -> None:
    history = [said("hola", seq=1), said("hola", Role.ROLE_AGENT, seq=2)]
    turn = a_turn("/status", history=history, model="small", language=SPANISH)

    assert (await told(turn)).replies == (
        "Modelo: small\nIdioma: español\nResponde: el asistente\nMensajes hasta ahora: 3",
    )


@pytest.mark.parametrize(
    ("argument", "language", "reply"),
    [
        ("pt", Language(code="pt", confidence=1, chosen=True), "A partir de agora respondo em português."),
        ("pt_BR", Language(code="pt-br", confidence=1, chosen=True), "A partir de agora respondo em português."),
        ("pt por favor", Language(code="pt", confidence=1, chosen=True), "A partir de agora respondo em português."),
        ("English", Language(code="en", confidence=1, chosen=True), "From now on I answer in English."),
        ("fr", Language(code="fr", confidence=1, chosen=True), "From now on I answer in this language: French."),
        ("auto", Language(code="es"), "Desde ahora respondo en el idioma en que escribas."),
    ],
)
async def test_a_language_is_chosen_or_left_to_what_is_written(argument: str, language: Language, reply: str) -> None:
    ending = await told(a_turn(f"/lang {argument}", language=SPANISH))

    assert ending.replies == (reply,)
    assert ending.change == ConversationChange(language=language)


@pytest.mark.parametrize("argument", ["xx", "en-", "en-?!", "esperanto", "en-abcdefghijk"])
async def test_a_language_that_nobody_knows_changes_nothing(argument: str) -> None:
    ending = await told(a_turn(f"/lang {argument}"))

    assert "en, es, pt" in ending.replies[0]
    assert ending.change is None


async def test_a_language_that_was_chosen_stays_whatever_is_written() -> None:
    chosen = Language(code="pt", chosen=True)

    ending = await told(a_turn("I would like to know where my order is, please", language=chosen))

    assert ending.change is None


async def test_human_hands_off_and_leaves_the_rest_to_the_human() -> None:
    model = Models()

    ending = await told(a_turn("/status", "Mi pedido se ha perdido", "/human", "/reset", language=SPANISH), model)

    assert ending.state == TurnState.TURN_STATE_HANDED_OFF
    assert len(ending.replies) == 2
    assert "persona" in ending.replies[1]
    assert ending.change is not None
    assert ending.change.hand_off.reason == HandOffReason.HAND_OFF_REASON_CONTACT_ASKED
    assert "Contact: Mi pedido se ha perdido" in ending.change.hand_off.summary
    assert not ending.change.reset
    assert model.asked == []


async def test_in_a_burst_commands_are_answered_in_order_and_the_model_answers_the_rest_last() -> None:
    model = Models()

    ending = await told(
        a_turn("Hi!", "/lang es", "Where is my order?", "/model big", manners=Manners(models=["big"])), model
    )

    assert ending.replies == ("Desde ahora respondo en español.", "Desde ahora responde big.", "hi")
    assert model.texts() == ["Hi!", "Where is my order?"]
    assert model.asked[0].prompt.model == "big"
    assert "Spanish" in model.asked[0].prompt.messages[0].text


async def test_many_commands_share_the_last_reply_and_the_models_keeps_its_place() -> None:
    ending = await told(a_turn(*["/status"] * 30, "And now?"))

    assert len(ending.replies) == MOST_REPLIES
    assert ending.replies[-1] == "hi"
    assert ending.replies[-2].count("Messages so far") == 30 - (MOST_REPLIES - 2)


async def test_a_slash_below_a_picture_is_no_command() -> None:
    turn = a_turn("/reset")
    turn.messages[0].attachments.append(Attachment(kind=AttachmentKind.ATTACHMENT_KIND_IMAGE))

    assert (await told(turn)).replies == ("hi",)
