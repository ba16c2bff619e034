"""Does what a turn changes in its conversation go with its commit, or not at all?"""

from pathlib import Path
from typing import Any

import pytest

from kit.errors import InvalidField, LeaseLost, OwnerChanged
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1.conversation_change_pb2 import (
    HAND_OFF_REASON_CONTACT_ASKED,
    ConversationChange,
    HandOff,
    Language,
)
from parley.storage.v1.turn_requests_pb2 import Usage
from storage_service.domain.asks import Ask
from storage_service.domain.changes import Changes
from storage_service.domain.hand_offs import QueueEntry
from tests.postgres import Server as Postgres
from tests.suites.storage.hot import LEASE, START, TENANT, Store, a_commit, seed
from tests.suites.storage.people import erased, only_contact, owned_by
from tests.suites.storage.statements_run import on_postgres, on_sqlite
from tests.suites.storage.test_model_conversation import asked, same_id
from tests.suites.storage.world import World

FRENCH = Language(code="fr", confidence=0.75, candidate="en")
EVERYTHING = ConversationChange(model="mistral", language=FRENCH, reset=True)
HAND_OFF = ConversationChange(hand_off=HandOff(reason=HAND_OFF_REASON_CONTACT_ASKED, summary="They want a person."))
OUT, IN = ConversationChange(opted_out=True), ConversationChange(opted_out=False)

STATE = "SELECT model, language, context_seq, owner, owner_epoch, opted_out_at, failed_in_row FROM conversations"


async def changed(store: Store, **change: Any) -> None:
    """A whole turn that changes so much."""
    done = await store.commit(await asked(store), "done", change=ConversationChange(**change))
    assert done.error is None


async def owner(store: Store) -> tuple[str, int]:
    ((name, epoch),) = await store.fetch("SELECT owner, owner_epoch FROM conversations")
    return name, epoch


async def sends(store: Store) -> list[str]:
    """What goes out, in order, once each."""
    texts = []
    while given := await store.lease_deliveries():
        for each in given:
            texts.append(each.text)
            await store.send(each, f"p-{each.delivery_id}")
    return texts


async def test_a_model_is_the_conversations_until_it_says_otherwise(store: Store) -> None:
    await changed(store, model="mistral")
    assert (await asked(store, "other")).setting.model == "llama"
    await changed(store, language=FRENCH)
    turn = await asked(store)
    assert turn.setting.model == "mistral"
    await store.commit(turn, "done", change=ConversationChange(model=""))
    assert (await asked(store)).setting.model == "llama"


async def test_the_nearest_choice_of_a_model_wins_and_the_own_one_is_there_too(store: Store) -> None:
    models, own = [], []
    for table, model in (("agents", "agents"), ("channel_accounts", "accounts"), ("contacts", "contacts")):
        await store.execute(f"UPDATE {table} SET model = '{model}'")
        turn = await asked(store)
        models.append(turn.setting.model)
        own.append(turn.setting.own_model)
        await store.commit(turn, "hello")
        if table == "agents":
            await store.execute("UPDATE contacts SET model = ''")
    await changed(store, model="conversations")
    assert [*models, (await asked(store)).setting.model] == ["agents", "accounts", "contacts", "conversations"]
    assert own == ["agents", "accounts", "accounts"]


async def test_a_language_is_kept_whole_and_stays_until_another_is_said(store: Store) -> None:
    assert not (await asked(store, "new")).setting.HasField("language")
    await changed(store, language=FRENCH)
    await changed(store, model="mistral")
    turn = await asked(store)
    assert turn.setting.language == FRENCH
    chosen = Language(code="pt", chosen=True)
    await store.commit(turn, "ok", change=ConversationChange(language=chosen))
    assert (await asked(store)).setting.language == chosen


async def test_of_a_group_each_conversation_changes_as_its_own_turn_says(store: Store) -> None:
    turns = [await asked(store, chat_id) for chat_id in "abc"]
    changes = [ConversationChange(model="a"), ConversationChange(), ConversationChange(language=FRENCH)]
    commits = [("w1", a_commit(turn, "ok", change=each)) for turn, each in zip(turns, changes, strict=True)]
    assert [each.error for each in await store.commit_all(*commits)] == [None] * 3
    rows = await store.fetch("SELECT model, language IS NOT NULL FROM conversations ORDER BY chat_id")
    assert [(model, bool(known)) for model, known in rows] == [("a", False), ("", False), ("", True)]


async def test_a_reset_begins_anew_and_deletes_nothing(store: Store) -> None:
    await changed(store, model="mistral", language=FRENCH)
    await store.commit(await asked(store), "hello", model_conversation="conv_1")
    await store.execute("UPDATE conversations SET summary = 'of old', summary_seq = 2")
    await store.execute("UPDATE prompts SET live_version_id = 'version-2'")
    await store.execute(
        "INSERT INTO prompt_versions (tenant_id, id, prompt_id, number, text, created_at) "
        "VALUES (:t, 'version-2', 'p', 2, 'Be brief.', :at)",
        t=TENANT, at=store.clock.now,
    )  # fmt: skip
    turn = await asked(store)
    assert (turn.setting.summary, turn.setting.system_prompt, len(turn.history)) == ("of old", "Be kind.", 4)
    await store.commit(turn, "We begin anew.", change=EVERYTHING, model_conversation="conv_2")
    anew = await asked(store)
    setting = anew.setting
    assert (list(anew.history), setting.summary, setting.model_conversation) == ([], "", "")
    assert (setting.system_prompt, setting.prompt_version_id) == ("Be brief.", "version-2")
    assert (setting.model, setting.language) == ("mistral", FRENCH)
    await store.commit(anew, "fine", model_conversation="conv_2")
    then = await asked(store)
    assert [each.text for each in then.history] == ["hi", "fine"]
    assert then.setting.model_conversation == "conv_2"
    assert len(await store.fetch("SELECT 1 FROM messages WHERE text <> ''")) == 9


async def test_a_reset_without_a_model_drops_the_one_that_was_chosen(store: Store) -> None:
    await changed(store, model="mistral")
    await changed(store, reset=True)
    assert (await asked(store)).setting.model == "llama"


async def test_what_waited_behind_a_reset_is_context_afterwards(store: Store) -> None:
    turn = await asked(store)
    await store.hear("I wrote this meanwhile")
    await store.commit(turn, "We begin anew.", change=ConversationChange(reset=True))
    (behind,) = await store.lease()
    assert [each.text for each in behind.messages] == ["I wrote this meanwhile"]
    await store.commit(behind, "I see")
    said = ["I wrote this meanwhile", "We begin anew.", "I see"]
    assert [each.text for each in (await asked(store)).history] == said


async def test_a_turn_that_is_handed_out_as_it_is_made_begins_anew_too(store: Store) -> None:
    await store.commit(await asked(store), "ok", change=EVERYTHING)
    store.workers = [Ask("w1", 1, LEASE, 20)]
    await store.hear("and now?")
    (handed,) = store.handed
    assert (list(handed.history), handed.setting.language, handed.setting.model) == ([], FRENCH, "mistral")


@pytest.mark.parametrize("change", [EVERYTHING, OUT], ids=["everything", "opt-out"])
async def test_a_worker_that_lost_its_lease_changes_nothing(store: Store, change: ConversationChange) -> None:
    lost = await asked(store)
    store.clock.pass_seconds(31)
    await store.sweep("expired_turns")
    (held,) = await store.lease(worker="w2")
    before = await store.fetch(STATE)
    assert isinstance((await store.commit(lost, "late", change=change)).error, LeaseLost)
    assert await store.fetch(STATE) == before
    await store.commit(held, "hello", worker="w2")
    assert isinstance((await store.commit(lost, "later", change=change)).error, LeaseLost)
    assert await store.fetch(STATE) == before


@pytest.mark.parametrize("change", [EVERYTHING, IN, HAND_OFF], ids=["everything", "in", "hand-off"])
async def test_a_take_over_between_lease_and_commit_drops_change_and_text(
    store: Store, world: World, change: ConversationChange
) -> None:
    turn = await asked(store)
    await owned_by(world, turn.conversation_id, chat.OWNER_HUMAN)
    before = await store.fetch(STATE)
    state = "HANDED_OFF" if change.HasField("hand_off") else "REPLIED"
    assert isinstance((await store.commit(turn, "a model", change=change, state=state)).error, OwnerChanged)
    assert (await store.fetch(STATE), await sends(store)) == (before, [])
    assert await store.fetch("SELECT id FROM queue_entries") == []
    await owned_by(world, turn.conversation_id, chat.OWNER_AGENT, "2")
    assert (await store.commit(turn, "a model", change=change, state=state)).duplicate
    assert (await store.fetch(STATE))[0][:3] == before[0][:3]


async def test_a_commit_that_comes_again_changes_nothing_again(store: Store) -> None:
    turn = await asked(store)
    await store.commit(turn, "ok", change=ConversationChange(model="first", opted_out=False))
    await changed(store, model="second")
    before = await store.fetch(STATE)
    assert (await store.commit(turn, "ok", change=ConversationChange(model="first"))).duplicate
    assert await store.fetch(STATE) == before


async def test_a_change_that_cannot_be_meant_is_refused(store: Store) -> None:
    turn = await asked(store)
    assert isinstance((await store.commit(turn, "x", change=HAND_OFF)).error, InvalidField)
    both = ConversationChange(hand_off=HAND_OFF.hand_off, opted_out=True)
    assert isinstance((await store.commit(turn, "x", change=both, state="HANDED_OFF")).error, InvalidField)
    assert (await store.commit(turn, "x", change=HAND_OFF, state="HANDED_OFF")).error is None


async def test_an_erasure_forgets_choices_and_a_late_commit_does_not_bring_them_back(
    store: Store, world: World
) -> None:
    await changed(store, model="mistral", language=FRENCH)
    late = await asked(store)
    await erased(world, await only_contact(world))
    assert isinstance((await store.commit(late, "ok", change=EVERYTHING)).error, OwnerChanged)
    ((model, language, *_, opted_out_at, _failed),) = await store.fetch(STATE)
    assert (model, language, opted_out_at) == ("", None, None)


async def test_another_tenant_neither_sees_nor_changes_anything(store: Store) -> None:
    turn = await asked(store)
    assert isinstance((await store.commit(turn, "x", tenant_id="other", change=EVERYTHING)).error, LeaseLost)
    usage = Usage(input_tokens=5, output_tokens=2)
    await store.commit(turn, "ok", change=ConversationChange(model="mistral", language=FRENCH), usage=usage)
    await seed(store, ("account-3",), tenant_id="other")
    theirs = await store.hear("hi", tenant_id="other", account_id="account-3")
    await same_id(store, theirs.conversation_id, turn.conversation_id)
    (other,) = await store.lease()
    assert (other.setting.model, other.setting.HasField("language")) == ("llama", False)
    assert (other.setting.tenant_tokens_today, other.setting.turns_in_hour) == (0, 1)
    await store.commit(other, "ok", change=ConversationChange(reset=True, model="theirs", language=Language(code="de")))
    ours = (await asked(store)).setting
    assert (ours.model, ours.language, ours.tenant_tokens_today) == ("mistral", FRENCH, 7)


async def test_an_opt_out_is_confirmed_and_everything_else_is_called_off(store: Store) -> None:
    for number in range(2):
        await store.commit(await asked(store), f"earlier {number}")
    await store.commit(await asked(store), "You will hear no more from us.", change=OUT)
    assert (await owner(store), await sends(store)) == (("none", 2), ["You will hear no more from us."])
    rows = await store.fetch("SELECT state, reason FROM deliveries ORDER BY seq")
    assert [tuple(row) for row in rows] == [("failed", "opted_out")] * 2 + [("sent", "")]
    later = await store.hear("are you there?")
    assert (later.turn_id, await store.lease()) == ("", [])


async def test_an_opt_outs_confirmation_reaches_a_sender_that_waits(store: Store) -> None:
    await store.commit(await asked(store), "earlier")
    store.senders = [Ask("s1", 1, LEASE, 0)]
    await store.commit(await asked(store), "Bye.", change=OUT)
    assert [each.text for each in store.handed] == ["Bye."]


async def test_a_call_that_is_made_during_an_opt_out_is_the_last_of_its_delivery(store: Store) -> None:
    await store.commit(await asked(store), "in two parts")
    (held,) = await store.lease_deliveries()
    await store.record(held, "BEGUN", parts=2)
    await store.commit(await asked(store), "Bye.", change=OUT)
    assert await store.lease_deliveries() == []
    await store.record(held, "SENT", parts=2, provider_message_id="p-0", begin_next=True)
    assert await sends(store) == ["Bye."]
    assert await store.delivery_states() == ["failed", "sent"]


@pytest.mark.parametrize("word", ["START", " unstop\n", "Sí", "SI\u0301", "começar", "COMEÇAR"])
async def test_who_opted_out_comes_back_with_a_word(store: Store, word: str) -> None:
    await changed(store, opted_out=True)
    said = await store.hear(word)
    (turn,) = await store.lease()
    assert (said.turn_id, turn.setting.owner, turn.setting.owner_epoch) == (turn.turn_id, chat.OWNER_NONE, 2)
    await store.hear("and hello")
    assert (await store.commit(turn, "Welcome back.", change=IN)).error is None
    assert await owner(store) == ("agent", 3)
    (behind,) = await store.lease()
    assert [each.text for each in behind.messages] == ["and hello"]
    assert await store.fetch("SELECT opted_out_at FROM conversations") == [(None,)]


async def test_a_word_that_is_only_part_of_a_text_brings_nobody_back(store: Store) -> None:
    await changed(store, opted_out=True)
    for text in ("yes please", "restart", "", "when do you start", "yes" * 30):
        assert (await store.hear(text)).turn_id == ""


async def test_to_who_opted_out_nothing_is_said_unless_that_turn_brings_them_back(store: Store) -> None:
    await changed(store, opted_out=True)
    await store.hear("START")
    (turn,) = await store.lease()
    assert isinstance((await store.commit(turn, "hello")).error, OwnerChanged)
    await store.hear("START")
    store.clock.pass_seconds(121)
    await store.sweep("overdue_turns")
    assert (await owner(store), await sends(store)) == (("none", 2), ["done"])
    assert (await store.turn_states())[1:] == [("suppressed", "owner_changed"), ("waiting", "")]


@pytest.mark.parametrize(("behind", "given"), [("hello", 0), ("START", 1)])
async def test_of_what_waited_behind_an_opt_out_only_a_word_counts(store: Store, behind: str, given: int) -> None:
    turn = await asked(store)
    await store.hear(behind)
    await store.commit(turn, "Bye.", change=OUT)
    assert len(await store.lease()) == given
    assert (await store.turn_states())[1] == (("running", "") if given else ("suppressed", "owner_none"))


async def test_who_was_silenced_by_a_human_does_not_come_back_with_a_word(store: Store, world: World) -> None:
    turn = await asked(store)
    await owned_by(world, turn.conversation_id, chat.OWNER_NONE)
    assert (await store.hear("START")).turn_id == ""


@pytest.mark.parametrize("takes", [[], [chat.OWNER_HUMAN], [chat.OWNER_QUEUE]], ids=["nobody", "human", "queue"])
async def test_nobody_of_the_team_brings_back_who_opted_out(store: Store, world: World, takes: list[Any]) -> None:
    turn = await asked(store)
    await store.commit(turn, "Bye.", change=OUT)
    for owner in takes:
        assert (await owned_by(world, turn.conversation_id, owner)).HasField("opted_out_at")
    back = await owned_by(world, turn.conversation_id, chat.OWNER_AGENT, "2")
    assert (back.owner, back.HasField("opted_out_at")) == (chat.OWNER_NONE, True)
    assert (await store.hear("hello again")).turn_id == ""


async def test_what_a_bot_says_is_stored_and_starts_no_turn(store: Store) -> None:
    first = await store.hear("hello, I am a bot", from_bot=True)
    (turn,) = [await asked(store)]
    await store.hear("me again", from_bot=True)
    assert (first.turn_id, turn.messages[0].seq, await store.lease()) == ("", 2, [])
    assert [each.text for each in turn.history] == ["hello, I am a bot"]
    await store.commit(turn, "hello, person")
    assert [each.reply_to_provider_message_id for each in await store.lease_deliveries()] == ["in-2"]
    assert len(await store.turn_states()) == 1


async def test_what_asks_for_no_answer_is_stored_and_starts_no_turn(store: Store) -> None:
    said = await store.hear("hello")
    (turn,) = await store.lease()
    await store.commit(turn, "shall I?")
    liked = await store.hear("👍", no_turn=True)
    assert (liked.turn_id, liked.conversation_id, await store.lease()) == ("", said.conversation_id, [])
    await store.hear("well?")
    (turn,) = [await asked(store)]
    assert [each.text for each in turn.history] == ["hello", "shall I?", "👍"]


async def test_the_model_does_not_read_what_says_nothing(store: Store) -> None:
    """A pin, an emoji that was taken away, who came by an advert: kept for people, in its place."""
    await store.hear("", no_turn=True, metadata={"message_type": "request_welcome"})
    await store.hear("hello")
    await store.hear("", no_turn=True, metadata={"message_type": "pin"})
    await store.hear("are you there?")
    (turn,) = await store.lease()
    assert ([each.seq for each in turn.messages], list(turn.history)) == ([2, 4], [])
    await store.commit(turn, "shall I?")
    for number in range(3):
        await store.hear("", no_turn=True, metadata={"message_type": "reaction", "number": str(number)})
    picture = chat.Attachment(kind=chat.ATTACHMENT_KIND_IMAGE, provider_file_id="file-1")
    await store.hear("", no_turn=True, attachments=[picture])
    await store.hear("well?")
    store.clock.pass_seconds(60)  # the picture is waited for
    (turn,) = await store.lease(history=4)
    assert [each.seq for each in turn.history] == [2, 4, 5, 9]


def everything() -> Changes:
    entry = QueueEntry(TENANT, "q", "c", "t", "guardrail", "", START, START)
    return Changes(
        chosen={"c": (TENANT, "c", "mistral", None)},
        begun_anew={"c": (TENANT, "c")},
        queue_entries=[entry],
        tokens={(TENANT, "2026-01-01"): 7},
    )


def test_a_group_without_a_change_costs_sqlite_no_statement(tmp_path: Path, postgres_server: Postgres) -> None:
    assert on_sqlite(Changes(), tmp_path, server=postgres_server) == []
    assert len(on_sqlite(everything(), tmp_path, server=postgres_server)) == 4


async def test_a_group_without_a_change_costs_postgres_no_statement() -> None:
    tokens = await on_postgres(Changes(tokens={(TENANT, "2026-01-01"): 7}, turns={}))

    assert await on_postgres(Changes()) == []
    together = [*tokens, *await on_postgres(everything())]
    assert len(together) == 3, "what stands in other tables goes with one statement; the conversation is written twice"
