"""What counts of what is said where others talk, and not to the agent? What is said in a conversation that exists."""

import pytest

from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1.inbox_service_pb2 import SubmissionResult
from tests.suites.storage.hot import Store, a_message, a_submission

THREAD = "C1:1795240740.000700"


def aside(text: str, chat_id: str = THREAD, sender_id: str = "U2") -> chat.ChannelMessage:
    """Said to somebody else."""
    message = a_message(text, chat_id=chat_id, sender_id=sender_id, provider_message_id="in-1")
    message.only_if_known = True
    return message


async def _counted(store: Store) -> list[int]:
    tables = ("conversations", "messages", "contacts", "turns", "raw_payloads")
    return [(await store.fetch(f"SELECT count(*) FROM {table}"))[0][0] for table in tables]


async def test_where_there_is_no_conversation_it_is_passed_over_and_leaves_nothing_behind(store: Store) -> None:
    submission = a_submission(aside("are you coming?"))
    submission.raw_payload = b"{}"
    before = await _counted(store)
    (result,) = await store.submit(submission)
    assert isinstance(result, SubmissionResult)
    (told,) = result.messages
    assert (told.passed_over, told.duplicate, told.message_id, told.conversation_id) == (True, False, "", "")
    assert await _counted(store) == before


async def test_in_a_conversation_that_exists_it_is_answered_whoever_says_it(store: Store) -> None:
    (asked,) = (await store.accept(a_message("when do you open?", chat_id=THREAD, sender_id="U1"))).messages
    (said,) = (await store.accept(aside("and on Sunday?"))).messages
    assert (said.conversation_id, said.seq, said.passed_over) == (asked.conversation_id, 2, False)
    assert said.turn_id
    (turn,) = await store.lease()
    assert [each.text for each in turn.messages] == ["when do you open?", "and on Sunday?"]


async def test_a_conversation_of_another_chat_is_none_of_its_own(store: Store) -> None:
    await store.accept(a_message("hello", chat_id="C1:1"))
    (said,) = (await store.accept(aside("psst", chat_id="C1:2"))).messages
    assert said.passed_over


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_in_one_frame_with_what_opens_the_conversation_it_counts(store: Store, order: tuple[int, int]) -> None:
    asked = a_submission(a_message("when do you open?", chat_id=THREAD, sender_id="U1"))
    submissions = [asked, a_submission(aside("and on Sunday?"))]
    results = await store.submit(*(submissions[place] for place in order))
    told = [each for result in results if isinstance(result, SubmissionResult) for each in result.messages]
    assert len({each.conversation_id for each in told}) == 1
    assert not any(each.passed_over for each in told)


async def test_what_was_passed_over_counts_when_it_comes_again_as_said_to_the_agent(store: Store) -> None:
    said = aside("hello")
    assert (await store.accept(said)).messages[0].passed_over
    said.only_if_known = False
    (told,) = (await store.accept(said)).messages
    assert (told.passed_over, told.duplicate, told.seq) == (False, False, 1)


async def test_a_second_copy_of_one_that_counted_is_a_duplicate(store: Store) -> None:
    await store.accept(a_message("hello", chat_id=THREAD))
    said = aside("and on Sunday?")
    (first,) = (await store.accept(said)).messages
    (again,) = (await store.accept(said)).messages
    assert (again.duplicate, again.message_id) == (True, first.message_id)
