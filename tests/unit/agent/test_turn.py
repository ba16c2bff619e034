"""How does a turn end, for each way it can go?"""

from datetime import UTC, datetime, timedelta

import pytest

from agent_service.domain.draft import Ending
from agent_service.domain.turn import MOST_CHARACTERS, Rules, Story
from kit.errors import ModelBusy, ModelEmpty, ModelTimeout, ModelUnavailable, ParleyError, as_item
from kit.moments import stamp
from parley.chat.v1.message_pb2 import Message, Owner, Role, TurnState
from parley.llm.v1.completion_pb2 import Completion
from parley.llm.v1.llm_service_pb2 import GenerateRequest, GenerateResponse
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, TurnSetting, Usage

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULES = Rules(timeout_seconds=25.0, reserve_tokens=512, fallback_text="The service's sorry.")


class Model:
    """Gives one answer, or fails, and remembers what it was asked."""

    def __init__(self, answer: GenerateResponse | ParleyError, window: int = 4096) -> None:
        self.answer, self.size = answer, window
        self.asked: list[tuple[GenerateRequest, float]] = []

    def window(self, model: str) -> int:
        return self.size

    def characters_per_token(self, model: str) -> float:
        return 4.0

    def names(self) -> frozenset[str]:
        return frozenset()

    async def generate(self, request: GenerateRequest, *, seconds: float) -> GenerateResponse:
        self.asked.append((request, seconds))
        if isinstance(self.answer, ParleyError):
            raise self.answer
        return self.answer


def a_turn(**setting: object) -> LeasedTurn:
    message = Message(id="m1", seq=1, role=Role.ROLE_CONTACT, text="hello")
    given = {"owner": Owner.OWNER_AGENT, "fallback_text": "The agent's sorry.", **setting}
    return LeasedTurn(
        tenant_id="t1",
        turn_id="u1",
        epoch=1,
        messages=[message],
        setting=TurnSetting(**given),  # type: ignore[arg-type]
        deadline_at=stamp(NOW + timedelta(seconds=120)),
    )


def an_answer(text: str = "hi") -> GenerateResponse:
    completion = Completion(model="llama3.2", backend="ollama", input_tokens=30, output_tokens=2)
    return GenerateResponse(text=text, completion=completion)


def a_fallback(error: ParleyError) -> GenerateResponse:
    completion = Completion(model="llama3.2", backend="ollama", fallback=True, failure=as_item(error))
    return GenerateResponse(text="The agent's sorry.", completion=completion)


async def told(model: Model, turn: LeasedTurn | None = None, now: datetime = NOW) -> Ending:
    return await Story(model, RULES, now=lambda: now).tell(turn or a_turn())


async def test_an_answer_ends_the_turn_as_replied_with_what_it_took() -> None:
    model = Model(an_answer("hi"))

    ending = await told(model)

    usage = Usage(model="llama3.2", backend="ollama", input_tokens=30, output_tokens=2)
    assert (ending.state, ending.reason, ending.replies) == (TurnState.TURN_STATE_REPLIED, "", ("hi",))
    usage.model_time.CopyFrom(ending.usage.model_time)
    assert ending.usage == usage


async def test_the_model_gets_the_tenant_the_chosen_model_the_prompt_and_the_timeout() -> None:
    model = Model(an_answer())

    await told(model, a_turn(model="llama3.2", system_prompt="Be kind."))

    ((request, seconds),) = model.asked
    assert (request.tenant_id, request.prompt.model, request.fallback_text) == ("t1", "llama3.2", "The agent's sorry.")
    assert [message.text.split("\n")[0] for message in request.prompt.messages] == ["Be kind.", "hello"]
    assert seconds == 25.0


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (a_fallback(ModelTimeout()), "model_timeout"),
        (a_fallback(ModelBusy()), "model_busy"),
        (a_fallback(ModelEmpty()), "model_empty"),
        (an_answer(" \n "), "model_empty"),
        (ModelUnavailable(), "model_unavailable"),
    ],
)
async def test_without_an_answer_the_turn_fails_with_the_reason_and_the_person_is_told(
    answer: GenerateResponse | ParleyError, reason: str
) -> None:
    ending = await told(Model(answer))

    assert (ending.state, ending.reason) == (TurnState.TURN_STATE_FAILED, reason)
    assert ending.replies == ("The agent's sorry.",)


async def test_an_agent_without_a_fallback_text_has_the_services() -> None:
    ending = await told(Model(ModelUnavailable()), a_turn(fallback_text=""))

    assert ending.replies == ("The service's sorry.",)


@pytest.mark.parametrize("owner", [Owner.OWNER_HUMAN, Owner.OWNER_QUEUE, Owner.OWNER_NONE])
async def test_a_conversation_that_is_not_the_agents_is_left_alone_and_no_model_is_asked(owner: Owner) -> None:
    model = Model(an_answer())

    ending = await told(model, a_turn(owner=owner))

    assert (ending.state, ending.replies) == (TurnState.TURN_STATE_SUPPRESSED, ())
    assert ending.reason == Owner.Name(owner).lower()
    assert model.asked == []


async def test_a_turn_close_to_its_deadline_gets_what_is_left_of_it() -> None:
    model = Model(an_answer())

    await told(model, now=NOW + timedelta(seconds=110))

    assert model.asked[0][1] == pytest.approx(8.0)


async def test_a_turn_at_its_deadline_asks_no_model_and_tells_the_person() -> None:
    model = Model(an_answer())

    ending = await told(model, now=NOW + timedelta(seconds=119))

    assert (ending.state, ending.reason) == (TurnState.TURN_STATE_FAILED, "turn_deadline")
    assert ending.replies == ("The agent's sorry.",)
    assert model.asked == []


async def test_an_answer_longer_than_a_message_can_be_is_cut() -> None:
    ending = await told(Model(an_answer("x" * 100_000)))

    assert len(ending.replies[0]) == MOST_CHARACTERS


@pytest.mark.parametrize("kept", ["", "conv_1"])
async def test_the_model_is_told_the_conversation_that_was_kept_even_when_there_is_none_yet(kept: str) -> None:
    model = Model(an_answer())

    await told(model, a_turn(model_conversation=kept))

    prompt = model.asked[0][0].prompt
    assert (prompt.HasField("model_conversation"), prompt.model_conversation) == (True, kept)


async def test_the_conversation_that_the_server_names_is_kept_whatever_became_of_the_answer() -> None:
    answers = [an_answer("hi"), an_answer(" "), a_fallback(ModelTimeout())]
    for answer in answers:
        answer.completion.model_conversation = "conv_2"

    endings = [await told(Model(answer), a_turn(model_conversation="conv_1")) for answer in answers]

    assert [ending.reason for ending in endings] == ["", "model_empty", "model_timeout"]
    assert [ending.model_conversation for ending in endings] == ["conv_2"] * 3


@pytest.mark.parametrize("name", ["", "c" * 257, "conv\0"])
async def test_a_name_that_storage_would_refuse_is_not_kept_and_the_answer_is(name: str) -> None:
    answer = an_answer("hi")
    answer.completion.model_conversation = name

    ending = await told(Model(answer), a_turn(model_conversation="conv_1"))

    assert (ending.replies, ending.model_conversation) == (("hi",), "")


async def test_when_no_model_was_reached_the_conversation_that_lacks_the_question_ends() -> None:
    ending = await told(Model(ModelUnavailable()), a_turn(model_conversation="conv_1"))

    assert ending.model_conversation == "none/"
