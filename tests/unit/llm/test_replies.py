"""What is the caller told to keep of a server's conversation, and how is an answer said?"""

from datetime import timedelta

import pytest

from kit.errors import ModelRefused
from llm_service.domain import replies
from llm_service.domain.backend import Answer, Call, Progress
from llm_service.domain.record import Record
from parley.error.v1.error_reason_pb2 import ErrorReason
from parley.llm.v1 import completion_pb2, prompt_pb2
from tests.unit.llm.scripted import DONE, MODEL

KEPT = "resp/conv_1"


def kept(after: str, *, before: str = "", asked: bool = True) -> str:
    """What an answer says to keep, when the server's conversation is `after` and the caller's was `before`."""
    prompt = prompt_pb2.Prompt(model_conversation=before) if asked else prompt_pb2.Prompt()
    answer = Answer("yes", DONE, model_conversation=after)
    return replies.completion(Record(), answer, prompt=prompt, kept=before).model_conversation


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("", KEPT, KEPT),  # begun
        (KEPT, KEPT, KEPT),  # gone on with
        (KEPT, "resp/conv_2", "resp/conv_2"),  # lost by the server, and begun anew
        ("", "", ""),  # a server that holds none
        (KEPT, "", "none/"),  # somebody else answered: what the server holds lacks it
        ("none/", "", ""),
        ("none/", KEPT, KEPT),
    ],
)
def test_a_conversation_is_kept_while_its_server_answers_and_forgotten_when_another_does(
    before: str, after: str, said: str
) -> None:
    assert kept(after, before=before) == said


def test_nothing_is_kept_for_a_caller_that_does_not_keep_it() -> None:
    assert kept(KEPT, asked=False) == ""


@pytest.mark.parametrize(("before", "said"), [(KEPT, "none/"), ("", ""), ("none/", "")])
def test_a_fallback_text_forgets_the_conversation_that_does_not_have_it(before: str, said: str) -> None:
    prompt = prompt_pb2.Prompt(model_conversation=before)

    assert replies.fallback(Record(), ModelRefused(), prompt=prompt).model_conversation == said


def test_a_fallback_says_nothing_of_a_conversation_to_a_caller_without_one() -> None:
    assert replies.fallback(Record(), ModelRefused(), prompt=prompt_pb2.Prompt()).model_conversation == ""


def test_a_fallback_says_why_and_what_was_tried() -> None:
    record = Record(model="m", backend="b", attempts=3, model_seconds=1.5)
    record.passed_over.append((MODEL, ModelRefused("No.")))

    said = replies.fallback(record, ModelRefused("No."), prompt=prompt_pb2.Prompt())

    assert (said.fallback, said.finish_reason) == (True, completion_pb2.FINISH_REASON_FALLBACK)
    assert (said.failure.reason, said.failure.message) == (ErrorReason.ERROR_REASON_MODEL_REFUSED, "No.")
    assert (said.model, said.backend, said.attempts) == ("m", "b", 3)
    assert said.model_time.ToTimedelta() == timedelta(seconds=1.5)
    assert [each.model for each in said.passed_over] == ["m"]


def test_calls_without_an_id_get_one_of_ours_and_others_keep_theirs() -> None:
    answer = Answer("", DONE, calls=(Call("", "a", "{}"), Call("x", "b", "{}"), Call("", "c", "{}")))

    assert [(call.id, call.name) for call in replies.tool_calls(answer)] == [
        ("call_1", "a"),
        ("x", "b"),
        ("call_3", "c"),
    ]


def test_progress_is_said_as_it_is() -> None:
    said = replies.progress(Progress("pulling", "sha256:1", 5, 2**40))

    assert (said.status, said.layer, said.completed_bytes, said.total_bytes) == ("pulling", "sha256:1", 5, 2**40)
