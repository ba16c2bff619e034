"""Is a model asked for no more than its window holds, and what when its server counts otherwise?"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import ModelRefused
from llm_service.domain.backend import Answer, Model, Pieces, most_tokens
from llm_service.domain.record import Record
from llm_service.domain.tokens import Estimate, said
from llm_service.domain.windows import Windows
from parley.chat.v1.message_pb2 import Role
from parley.llm.v1 import prompt_pb2
from tests.unit.llm.scripted import DONE, MODEL, Scripted, calls_through, route_to

SYSTEM, PERSON, AGENT, TOOL = Role.ROLE_SYSTEM, Role.ROLE_CONTACT, Role.ROLE_AGENT, Role.ROLE_TOOL
BIG, SMALL = replace(MODEL, window_tokens=128_000), replace(MODEL, window_tokens=1024)
TOO_MUCH = ModelRefused(metadata={"refused": "limit"})
TOO_LONG = ModelRefused(metadata={"refused": "length"})  # by a server that states no counts

roles = st.sampled_from((SYSTEM, PERSON, AGENT, TOOL))
conversations = st.lists(
    st.builds(prompt_pb2.PromptMessage, role=roles, text=st.integers(0, 3000).map(lambda size: "x" * size)),
    min_size=1,
    max_size=40,
)


class Remembering(Scripted):
    """Remembers how many tokens may be written, too."""

    def __init__(self, *script: str | Answer | Exception, name: str = "scripted") -> None:
        super().__init__(*script, name=name)
        self.limits: list[int] = []

    async def answer(self, prompt: prompt_pb2.Prompt, model: Model) -> Answer:
        self.limits.append(most_tokens(prompt, model))
        return await super().answer(prompt, model)

    async def stream(self, prompt: prompt_pb2.Prompt, model: Model) -> Pieces:
        self.limits.append(most_tokens(prompt, model))
        if most_tokens(prompt, model):
            raise TOO_MUCH
        yield "yes"
        yield Answer("", DONE)


def talk(*texts: str, limit: int = 0) -> prompt_pb2.Prompt:
    """A system prompt, and then the person and the agent by turns; the last one is the person's."""
    spoken = [prompt_pb2.PromptMessage(role=SYSTEM, text="Be kind.")]
    for place, text in enumerate(texts):
        spoken.append(prompt_pb2.PromptMessage(role=AGENT if (len(texts) - place) % 2 == 0 else PERSON, text=text))
    return prompt_pb2.Prompt(messages=spoken, max_output_tokens=limit)


def texts(prompt: prompt_pb2.Prompt) -> list[str]:
    return [each.text for each in prompt.messages]


async def asked(backend: Remembering, model: Model, prompt: prompt_pb2.Prompt) -> None:
    await calls_through(route_to(backend, model=model)).generate(prompt, Record(), seconds=60)


async def test_without_a_limit_none_is_sent() -> None:
    backend = Remembering("yes")

    await asked(backend, SMALL, talk("hi"))

    assert backend.limits == [0]


@pytest.mark.parametrize(
    ("said_before", "limit", "own", "is_guessed", "sent"),
    [
        (40, 100, 0, False, 100),
        (40, 0, 200, False, 200),
        (40, 900, 200, False, 200),
        (2000, 900, 0, False, 1024 - 500 - 12),
        (2000, 0, 900, False, 1024 - 500 - 12),
        (9000, 900, 0, False, 64),  # the estimate may be wrong: the server has the last word
        (2000, 900, 0, True, 900),  # nobody said how large the window is
    ],
)
async def test_a_limit_is_at_most_what_the_window_has_left(
    said_before: int, limit: int, own: int, is_guessed: bool, sent: int
) -> None:
    backend = Remembering("yes")
    model = replace(SMALL, max_output_tokens=own, is_guessed=is_guessed)

    await asked(backend, model, talk("x" * (said_before - 20), "hello there!", limit=limit))

    assert backend.limits == [sent]


async def test_ollama_is_told_what_the_window_has_left_since_it_would_write_ten_windows() -> None:
    backend = Remembering("yes")
    route = route_to(backend, model=SMALL)
    route.served.kind = "ollama"

    await calls_through(route).generate(talk("x" * 1980, "hello there!"), Record(), seconds=60)

    assert backend.limits == [1024 - 500 - 12]


async def test_a_model_that_stands_in_gets_as_much_as_its_smaller_window_holds() -> None:
    first, second = Remembering(ModelRefused(), name="one"), Remembering("yes", name="two")
    prompt = talk("a" * 2000, "b" * 2000, "c" * 1000, "d" * 800, "where is it?")

    calls = calls_through(route_to(first, model=BIG), route_to(second, model=SMALL))
    await calls.generate(prompt, Record(), seconds=60)

    assert texts(first.asked[0]) == texts(prompt)
    assert texts(second.asked[0]) == ["Be kind.", "c" * 1000, "d" * 800, "where is it?"]
    assert second.limits == [0]


async def test_what_stands_in_and_has_the_same_window_or_one_that_nobody_said_gets_all() -> None:
    for model in (BIG, replace(SMALL, is_guessed=True)):
        first, second = Remembering(ModelRefused(), name="one"), Remembering("yes", name="two")
        prompt = talk("a" * 9000, "b" * 9000, "c")

        calls = calls_through(route_to(first, model=BIG), route_to(second, model=model))
        await calls.generate(prompt, Record(), seconds=60)

        assert texts(second.asked[0]) == texts(prompt)


async def test_a_limit_that_the_server_finds_too_large_is_left_out_the_second_time() -> None:
    """The server then writes as much as there is room for, which is less."""
    backend, record = Remembering(TOO_MUCH, "yes"), Record()

    calls = calls_through(route_to(backend, model=replace(MODEL, max_output_tokens=3000)))
    answer = await calls.generate(talk("hi", limit=3500), record, seconds=60)

    assert (answer.text, backend.limits, record.attempts) == ("yes", [3000, 0], 2)


async def test_a_prompt_that_the_server_counts_as_too_long_is_asked_once_more_without_the_oldest() -> None:
    """Four characters a token is far too many for Japanese."""
    refused = ModelRefused(metadata={"refused": "length", "input_tokens": "2000", "window_tokens": "1024"})
    backend = Remembering(refused, Answer("yes", DONE, 500, 1))
    prompt = talk("あ" * 500, "い" * 500, "う" * 500, "え" * 300, "お" * 100)

    calls = calls_through(route_to(backend, model=replace(SMALL, is_guessed=True)))
    await calls.generate(prompt, Record(), seconds=60)

    assert texts(backend.asked[1]) == ["Be kind.", "え" * 300, "お" * 100]
    _, tokens = await calls.count(prompt)
    assert tokens > 1500


async def test_a_prompt_that_is_too_long_without_a_count_is_asked_once_more_with_half_of_what_was_said() -> None:
    backend, record = Remembering(TOO_LONG, "yes"), Record()

    calls = calls_through(route_to(backend))
    answer = await calls.generate(talk("a" * 400, "b" * 300, "c" * 300, "d" * 100, "e", limit=50), record, seconds=60)

    assert (answer.text, backend.limits, record.attempts) == ("yes", [50, 50], 2)
    assert texts(backend.asked[1]) == ["Be kind.", "c" * 300, "d" * 100, "e"]


async def test_a_newest_message_that_is_too_long_alone_is_asked_without_a_limit_on_the_answer() -> None:
    backend = Remembering(TOO_LONG, "yes")

    await calls_through(route_to(backend)).generate(talk("a" * 400, limit=50), Record(), seconds=60)

    assert (texts(backend.asked[1]), backend.limits) == (["Be kind.", "a" * 400], [50, 0])


async def test_what_it_refuses_a_second_time_or_for_another_reason_is_refused() -> None:
    for script, limit in (([TOO_MUCH, TOO_MUCH], 500), ([TOO_MUCH], 0), ([TOO_LONG], 0), ([ModelRefused()], 500)):
        backend = Remembering(*script)

        with pytest.raises(ModelRefused):
            await asked(backend, MODEL, talk("hi", limit=limit))

        assert backend.script == []


async def test_a_stream_is_asked_for_once_more_too() -> None:
    backend = Remembering()
    calls = calls_through(route_to(backend))

    pieces = [piece async for piece in calls.stream(talk("hi", limit=3500), Record(), seconds=60)]

    assert (pieces[0], backend.limits) == ("yes", [3500, 0])


@given(conversation=conversations, window=st.integers(64, 4096))
def test_what_is_left_of_any_prompt_is_its_system_and_its_newest_part(
    conversation: list[prompt_pb2.PromptMessage], window: int
) -> None:
    prompt = prompt_pb2.Prompt(model="m", messages=conversation)

    _, sent = Windows(Estimate()).first(
        route_to(Scripted(), model=replace(MODEL, window_tokens=window)), prompt, made_for=BIG
    )

    assert prompt.messages == conversation
    kept, spoken = list(sent.messages), [each for each in conversation if each.role != SYSTEM]
    assert [each for each in kept if each.role == SYSTEM] == [each for each in conversation if each.role == SYSTEM]
    rest = [each for each in kept if each.role != SYSTEM]
    assert rest == spoken[len(spoken) - len(rest) :]
    assert said(sent) == said(prompt) or not rest or rest[0].role != TOOL
