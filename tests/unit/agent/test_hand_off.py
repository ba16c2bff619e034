"""When does a human get the conversation, what is the contact told, and what does the human know?"""

import json
import time

import pytest

from agent_service.domain import hand_off
from agent_service.domain.draft import Draft, Ending
from agent_service.domain.turn import Rules, Story
from agent_service.domain.wishes import asks_for_a_human
from kit.errors import ModelTimeout
from parley.chat.v1.message_pb2 import AttachmentKind, Role, TurnState
from parley.llm.v1.prompt_pb2 import ToolCall
from parley.storage.v1.conversation_change_pb2 import HandOffReason, Language
from parley.storage.v1.manners_pb2 import Manners
from tests.unit.agent.telling import NOW, RULES, Models, a_fallback, a_turn, an_answer, said, told

HANDED_OFF, FAILED = TurnState.TURN_STATE_HANDED_OFF, TurnState.TURN_STATE_FAILED

WISHES = """
I want to talk to a human
i want to speak to a real person please
Can I talk to someone?
can i speak with an agent about my refund
Hi, I'd like to talk to a representative.
let me talk to a human!!
connect me to an agent
Could you please transfer me to a person
This is useless. Give me a human!
get me a manager now
human
AGENT
real person
Quiero hablar con una persona
quiero hablar con alguien
Hola, quisiera hablar con un asesor por favor
necesito un agente
puedo hablar con un humano?
pásame con una persona real
me puedes comunicar con un asesor?
quiero que no, mejor pasame con un operador
quiero hablar con un humano sobre mi pedido
Quero falar com um atendente
quero falar com alguém
oi, gostaria de falar com uma pessoa
preciso de um atendente
posso falar com um humano?
me passa pra um atendente por favor
vc pode me transferir para um atendente?
atendente
quiero hablar con el encargado de la tienda
quero falar com alguém da loja
"""

NO_WISHES = """
I don't want to talk to a human
no quiero hablar con una persona
nao quero falar com um atendente
Are you a human?
is this a person or a bot
I talked to an agent yesterday and she was nice
I want to talk to you about human rights
my agent told me to wait
quiero hablar contigo
eres una persona?
voce é uma pessoa?
I want to send a gift to a person who lives abroad
hablé con un asesor ayer
i want a human-size teddy bear
necesito un agente de limpieza para la cocina
preciso de uma pessoa da minha altura para provar
the operator called me
hola
"""


@pytest.mark.parametrize("text", WISHES.strip().splitlines())
async def test_who_clearly_asks_for_a_human_gets_one_without_a_model(text: str) -> None:
    model = Models()

    ending = await told(a_turn(text), model)

    assert (ending.state, reason_of(ending)) == (HANDED_OFF, HandOffReason.HAND_OFF_REASON_CONTACT_ASKED)
    assert len(ending.replies) == 1
    assert model.asked == []


@pytest.mark.parametrize("text", NO_WISHES.strip().splitlines())
def test_who_only_speaks_of_humans_does_not(text: str) -> None:
    assert not asks_for_a_human(text)


@pytest.mark.parametrize(
    "part",
    [
        "please ",
        "i want ",
        "talk to a human about a ",
        "talk to a human please now ",
        "me pueden pasar ",
        "quero de ",
        "a a ",
    ],
)
def test_no_message_takes_long_to_look_at(part: str) -> None:
    texts = [(part * 300)[:size] + tail for size in (100, 200, 280) for tail in ("", "x", "!", "human")]
    began = time.process_time()

    for text in texts:
        asks_for_a_human(text)

    assert time.process_time() - began < 0.1


@pytest.mark.parametrize(("code", "word"), [("en", "passing"), ("es", "paso con"), ("pt", "Vou passar")])
async def test_the_contact_is_told_in_their_language(code: str, word: str) -> None:
    ending = await told(a_turn("/human", language=Language(code=code)))

    assert word in ending.replies[0]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"reason": "wants a refund"}, HandOffReason.HAND_OFF_REASON_MODEL_ASKED),
        ({"reason": "wants a refund", "unsure": False}, HandOffReason.HAND_OFF_REASON_MODEL_ASKED),
        ({"reason": "wants a refund", "unsure": True}, HandOffReason.HAND_OFF_REASON_LOW_CONFIDENCE),
        ({"reason": "wants\0a\nrefund\0"}, HandOffReason.HAND_OFF_REASON_MODEL_ASKED),
    ],
)
async def test_the_model_asks_by_its_tool_and_its_text_beside_it_is_not_said(
    arguments: dict[str, object], reason: HandOffReason
) -> None:
    model = Models(an_answer("Of course!", ToolCall(id="1", name="hand_off", arguments=json.dumps(arguments))))

    ending = await told(a_turn("Refund me!"), model)

    assert [tool.name for tool in model.asked[0].prompt.tools] == ["hand_off"]
    assert (ending.state, reason_of(ending), ending.usage.input_tokens) == (HANDED_OFF, reason, 3)
    assert len(ending.replies) == 1
    assert "course" not in ending.replies[0]
    assert "Reason: wants a refund\n" in summary_of(ending)


@pytest.mark.parametrize(
    "call",
    [
        ToolCall(name="drop_tables", arguments='{"reason": "fun"}'),
        ToolCall(name="hand_off", arguments="{"),
        ToolCall(name="hand_off", arguments="[]"),
        ToolCall(name="hand_off", arguments='{"reason": 7}'),
    ],
)
async def test_nonsense_instead_of_a_call_ends_the_turn_with_one_sentence(call: ToolCall) -> None:
    model = Models(an_answer("", call))

    ending = await told(a_turn("hello"), model)

    assert (ending.state, ending.reason, ending.replies) == (FAILED, "model_tool_invalid", ("sorry",))
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    ("name", "kept"), [("conv_1", "none/"), ("", "")], ids=["its server keeps it", "none keeps it"]
)
@pytest.mark.parametrize("arguments", ['{"reason": "a refund"}', "{"], ids=["a call", "nonsense"])
async def test_a_conversation_that_ends_in_a_call_is_not_gone_on_with(arguments: str, name: str, kept: str) -> None:
    """The server would wait for the call's output, and refuse whatever else is said."""
    answer = an_answer("", ToolCall(id="1", name="hand_off", arguments=arguments))
    answer.completion.model_conversation = name

    ending = await told(a_turn("hello", model_conversation=name), Models(answer))

    assert ending.state in {HANDED_OFF, FAILED}
    assert ending.model_conversation == kept


async def test_a_failure_that_hands_off_keeps_what_the_model_service_says_of_the_conversation() -> None:
    answer = a_fallback(ModelTimeout())
    answer.completion.model_conversation = "none/"
    manners = Manners(failures_before_hand_off=1)

    ending = await told(a_turn("hello", model_conversation="conv_1", manners=manners), Models(answer))

    assert (ending.state, ending.model_conversation) == (HANDED_OFF, "none/")


async def test_an_operator_may_offer_the_tool_to_none() -> None:
    model = Models()

    await told(a_turn("hello"), model, rules=Rules(25.0, 512, "sorry", offers_hand_off=False))

    assert not model.asked[0].prompt.tools


def test_a_guardrail_hands_off_in_the_same_way() -> None:
    reason = HandOffReason.HAND_OFF_REASON_GUARDRAIL

    ending = hand_off.ending(Draft(a_turn("hello", language=Language(code="es"))), reason, note="self-harm")

    assert (ending.state, ending.reason, reason_of(ending)) == (HANDED_OFF, "guardrail", reason)
    assert "self-harm" in summary_of(ending)
    assert "persona" in ending.replies[0]


async def test_the_failure_of_a_turn_that_broke_counts_too() -> None:
    turn = a_turn("hello", failed_in_row=2, manners=Manners(failures_before_hand_off=3))
    ending = Story(Models(), RULES, now=lambda: NOW).failed(turn, "internal")

    assert reason_of(ending) == HandOffReason.HAND_OFF_REASON_REPEATED_FAILURE


async def test_a_small_window_is_not_filled_with_tools() -> None:
    model = Models(window=1024)

    await told(a_turn("hello"), model)

    assert not model.asked[0].prompt.tools


# Failures before, the agent's limit, and how the turn ends.
AGAIN = [(0, 0, FAILED), (99, 0, FAILED), (1, 3, FAILED), (2, 3, HANDED_OFF), (0, 1, HANDED_OFF)]


@pytest.mark.parametrize(("before", "limit", "state"), AGAIN)
async def test_one_failure_too_many_in_a_row_asks_for_a_human(before: int, limit: int, state: TurnState) -> None:
    turn = a_turn("hello", failed_in_row=before, manners=Manners(failures_before_hand_off=limit))

    ending = await told(turn, Models(a_fallback(ModelTimeout())))

    assert ending.state == state
    assert len(ending.replies) == 1
    if state == HANDED_OFF:
        assert reason_of(ending) == HandOffReason.HAND_OFF_REASON_REPEATED_FAILURE


async def test_the_human_gets_the_newest_messages_that_fit_and_what_was_before_in_short() -> None:
    history = [said(f"{number}: {'word ' * 100}", Role.ROLE_AGENT, seq=number) for number in range(1, 41)]
    turn = a_turn("/human", history=history, summary="They " + "met. " * 400, language=Language(code="es"))

    text = summary_of(await told(turn))

    assert len(text) <= hand_off.MOST_CHARACTERS
    assert text.startswith("The contact asked for a person.\nLanguage: es\nBefore: They met.")
    assert "Agent: 40: word" in text
    assert "Agent: 1: word" not in text
    assert text.endswith("Contact: /human")


async def test_the_human_reads_of_what_could_not_be_read_that_it_came() -> None:
    poll, photo = said("", seq=1), said("", seq=2)
    poll.attachments.add(kind=AttachmentKind.ATTACHMENT_KIND_UNSUPPORTED, caption="poll")
    photo.attachments.add(kind=AttachmentKind.ATTACHMENT_KIND_IMAGE)

    text = summary_of(await told(a_turn("/human", history=[poll, photo])))

    assert "\nContact: [a message of a kind that cannot be read here: poll]\nContact: [1 attached]\n" in text


def reason_of(ending: Ending) -> HandOffReason:
    assert ending.change is not None
    return ending.change.hand_off.reason


def summary_of(ending: Ending) -> str:
    assert ending.change is not None
    return ending.change.hand_off.summary
