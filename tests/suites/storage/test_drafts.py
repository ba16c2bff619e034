"""Who may show what a turn has written, and does every draft at a provider's become the reply or go?"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from kit.ids import new_id
from kit.moments import seconds
from parley.storage.v1 import signal_requests_pb2 as pb
from parley.storage.v1.conversation_service_pb2 import WatchMessagesResponse
from parley.storage.v1.pacing_pb2 import Pacing, Rate
from parley.storage.v1.turn_requests_pb2 import LeasedTurn
from storage_service.backends.conversations import Conversations
from storage_service.backends.drafts import DraftBook
from storage_service.backends.sessions import Sessions
from storage_service.domain.drafts import ERASED_KEPT, MOST_RETRACTIONS, NOBODY, Drafts, Fate, Shown, fate
from storage_service.domain.presence import Presence
from storage_service.domain.watching import Watching
from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.hot import TENANT, Store
from tests.suites.storage.people import erased, only_contact
from tests.suites.storage.world import World


@dataclass
class Desk:
    """The drafts of one process over a store."""

    store: Store
    book: DraftBook
    presence: Presence
    drafts: Drafts
    reads: Conversations
    elsewhere: list[Shown]
    heard: list[pb.Signal] = field(default_factory=list)

    async def share(self, turn: LeasedTurn, text: str, worker: str = "w1", **more: int) -> bool:
        epochs = {"epoch": turn.epoch, "owner_epoch": turn.setting.owner_epoch} | more
        draft = pb.TurnDraft(tenant_id=TENANT, turn_id=turn.turn_id, text=text, **epochs)
        (granted,) = await self.drafts.share(worker, [draft])
        return granted

    async def record(self, turn: LeasedTurn, state: str, provider_id: str = "", worker: str = "s1") -> bool:
        return (await self.recorded(turn, state, provider_id, worker)).granted

    async def recorded(
        self, turn: LeasedTurn, state: str, provider_id: str = "", worker: str = "s1", pacing: Pacing | None = None
    ) -> pb.DraftResult:
        record = pb.DraftRecord(
            tenant_id=TENANT,
            turn_id=turn.turn_id,
            state=f"DRAFT_STATE_{state}",
            provider_message_id=provider_id,
            pacing=pacing,
        )
        (result,) = await self.book.record(worker, [record])
        return result

    async def waits(self, turn: LeasedTurn, pacing: Pacing) -> float:
        """For how many seconds a draft has to."""
        result = await self.recorded(turn, "BEGUN", pacing=pacing)
        assert result.granted
        return seconds(result.wait)

    async def left(self, after_seconds: float = 2.0) -> list[tuple[int, str]]:
        """What must go now: kind and the provider's id."""
        self.store.clock.pass_seconds(after_seconds)
        return [(each.signal.kind, each.signal.draft_message_id) for each in await self.book.left()]

    async def rows(self) -> int:
        ((count,),) = await self.store.fetch("SELECT count(*) FROM drafts")
        return int(count)


@asynccontextmanager
async def at_desk(store: Store) -> AsyncIterator[Desk]:
    stopping, elsewhere = asyncio.Event(), list[Shown]()
    sessions = Sessions(store.engine, now=store.clock, new_id=new_id)
    presence = Presence(_nothing, elsewhere=_nobody, stopping=stopping, monotonic=time.monotonic)
    book = DraftBook(sessions)
    drafts = Drafts(book.look, presence, wakeups=store.wakeups, elsewhere=elsewhere.append)
    desk = Desk(store, book, presence, drafts, Conversations(sessions), elsewhere)

    async def listen() -> None:
        async for signals in presence.watch([pb.SignalledChannel(channel="whatsapp", drafts=True)]):
            desk.heard += signals

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    yield desk
    stopping.set()
    await asyncio.wait_for(listening, PATIENCE_SECONDS)


async def _nothing(_begun: Sequence[object]) -> dict[tuple[str, str], pb.Signal]:
    return {}


def _nobody(_begun: Sequence[object]) -> None:
    """There is one replica."""


async def a_turn(store: Store, chat: str = "chat-1") -> LeasedTurn:
    await store.hear("hi", chat_id=chat)
    (turn,) = await store.lease()
    return turn


async def test_where_drafts_count_one_is_shown_only_while_all_that_replies_may_send_is_free(store: Store) -> None:
    pace = Pacing(chat=Rate(interval_micros=4_000_000, burst=4))
    turn = await a_turn(store)
    async with at_desk(store) as desk:
        assert await desk.waits(turn, pace) == 0
        assert await desk.rows() == 1
        assert await desk.waits(turn, pace) == pytest.approx(4, abs=0.1)
        store.clock.pass_seconds(4.5)
        assert await desk.waits(turn, pace) == 0
        assert await desk.waits(turn, Pacing()) == 0, "a chat without a rate"
        other = await a_turn(store, "chat-2")
        assert await desk.waits(other, pace) == 0, "another chat"


async def test_a_draft_that_is_too_early_is_not_on_record_and_topics_share_what_a_group_may_send(
    store: Store,
) -> None:
    group = Pacing(chat=Rate(interval_micros=4_000_000, burst=4), recipient="-100")
    first, second = await a_turn(store, "-100:1"), await a_turn(store, "-100:2")
    async with at_desk(store) as desk:
        assert await desk.waits(first, group) == 0
        assert await desk.waits(second, group) == pytest.approx(4, abs=0.1)
        assert await desk.rows() == 1
        assert not (await desk.recorded(first, "BEGUN", worker="s2", pacing=group)).granted
        store.clock.pass_seconds(4.5)
        assert await desk.waits(second, group) == 0
        assert await desk.rows() == 2


async def test_the_account_says_whether_its_turns_are_progressive(store: Store) -> None:
    assert not (await a_turn(store)).setting.progressive
    await store.execute("""UPDATE channel_accounts SET options = '{"progressive": "on"}' WHERE id = 'account-1'""")
    assert (await a_turn(store, "chat-2")).setting.progressive
    await store.execute("""UPDATE channel_accounts SET options = '{"x": "progressive", "progressive": "off"}'""")
    assert not (await a_turn(store, "chat-3")).setting.progressive


async def test_what_a_turn_writes_is_shown_to_who_can(store: Store) -> None:
    async with at_desk(store) as desk:
        turn = await a_turn(store)
        assert await desk.share(turn, "One.")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not desk.heard:
                await asyncio.sleep(0.01)
        (told,) = desk.heard
        assert (told.kind, told.text, told.turn_id) == (pb.SIGNAL_KIND_DRAFT, "One.", turn.turn_id)
        assert (told.account_id, told.chat_id, told.provider_message_id) == ("account-1", "chat-1", "in-1")
        assert [each.signal.text for each in desk.elsewhere] == ["One."]
        chat, epoch = turn.conversation_id, turn.setting.owner_epoch
        assert desk.drafts.of(chat, (turn.turn_id, epoch)) == "One."
        for other in (("another", epoch), (turn.turn_id, epoch + 1), NOBODY):
            assert desk.drafts.of(chat, other) == ""


@pytest.mark.parametrize("case", ["worker", "epoch", "ended", "human", "sending"])
async def test_nothing_is_shown_for_who_has_lost_the_turn_or_the_conversation(store: Store, case: str) -> None:
    async with at_desk(store) as desk:
        turn = await a_turn(store)
        if case == "ended":
            await store.commit(turn, "done")
        if case == "human":
            await store.execute("UPDATE conversations SET owner = 'human'")
        if case == "sending":
            await store.execute("UPDATE conversations SET open_deliveries = 1")
        granted = await desk.share(
            turn, "One.", worker="w2" if case == "worker" else "w1", epoch=turn.epoch + (case == "epoch")
        )
        assert not granted
        shown = desk.drafts.of(turn.conversation_id, (turn.turn_id, turn.setting.owner_epoch))
        assert (desk.heard, desk.elsewhere, shown) == ([], [], "")


async def test_one_worker_is_granted_a_turns_draft_and_only_while_it_runs(store: Store) -> None:
    async with at_desk(store) as desk:
        turn = await a_turn(store)
        assert await desk.record(turn, "BEGUN")
        assert await desk.record(turn, "BEGUN"), "the answer was lost, and it asks again"
        assert not await desk.record(turn, "BEGUN", worker="s2")
        assert await desk.record(turn, "SHOWN", "p-1")
        await store.commit(turn, "done")
        late = await a_turn(store, "chat-2")
        await store.execute("UPDATE conversations SET owner = 'human' WHERE chat_id = 'chat-2'")
        assert not await desk.record(late, "BEGUN")
        assert not await desk.record(late, "SHOWN", "p-2"), "whoever posted it takes it back"


async def test_a_draft_that_became_the_reply_stays(store: Store) -> None:
    async with at_desk(store) as desk:
        turn = await a_turn(store)
        await desk.record(turn, "BEGUN")
        await desk.record(turn, "SHOWN", "p-1")
        assert await desk.left() == []
        await store.commit(turn, "done")
        assert await desk.left() == [], "the reply is on its way"
        (delivery,) = await store.lease_deliveries()
        assert delivery.turn_id == turn.turn_id
        await store.send(delivery, "p-1")
        assert (await desk.left(), await desk.rows()) == ([], 0)


@pytest.mark.parametrize("provider_id", ["p-1", ""])
async def test_a_draft_beside_the_reply_goes(store: Store, provider_id: str) -> None:
    """As when its sender died, before or after it said what it had posted."""
    async with at_desk(store) as desk:
        turn = await a_turn(store)
        await desk.record(turn, "BEGUN")
        if provider_id:
            await desk.record(turn, "SHOWN", provider_id)
        await store.commit(turn, "done")
        (delivery,) = await store.lease_deliveries()
        await store.send(delivery, "p-2")
        assert await desk.left() == [(pb.SIGNAL_KIND_RETRACT, provider_id)]
        assert await desk.left() == [], "it was told to somebody"
        assert await desk.left(20) == [(pb.SIGNAL_KIND_RETRACT, provider_id)], "who may have died"
        await desk.record(turn, "GONE", worker="s2")
        assert (await desk.left(600), await desk.rows()) == ([], 0)


async def test_a_take_over_takes_the_draft_away(store: Store) -> None:
    async with at_desk(store) as desk:
        turn = await a_turn(store)
        await desk.record(turn, "BEGUN")
        await desk.record(turn, "SHOWN", "p-1")
        await store.execute("UPDATE conversations SET owner = 'human', owner_epoch = owner_epoch + 1")
        assert await desk.left() == [(pb.SIGNAL_KIND_RETRACT, "p-1")]
        await desk.record(turn, "GONE")
        assert not await desk.record(turn, "SHOWN", "p-1")


async def test_a_reply_that_may_have_been_sent_keeps_its_draft_until_that_is_known(store: Store) -> None:
    async with at_desk(store) as desk:
        turn = await a_turn(store)
        await desk.record(turn, "BEGUN")
        await desk.record(turn, "SHOWN", "p-1")
        await store.commit(turn, "done")
        (delivery,) = await store.lease_deliveries()
        await store.record(delivery, "BEGUN")
        await store.record(delivery, "UNKNOWN", reason="timeout")
        assert await desk.left() == []
        await store.receive("SENT", delivery_id=delivery.delivery_id, provider_message_id="p-2")
        assert await desk.left(61) == [(pb.SIGNAL_KIND_RETRACT, "p-1")]


async def test_a_draft_that_nobody_can_take_back_is_given_up(store: Store) -> None:
    async with at_desk(store) as desk:
        turn = await a_turn(store)
        await desk.record(turn, "BEGUN")
        await store.execute("UPDATE conversations SET owner_epoch = owner_epoch + 1")
        told = [await desk.left(600) for _ in range(MOST_RETRACTIONS + 1)]
        assert [len(each) for each in told] == [1] * MOST_RETRACTIONS + [0]
        assert await desk.rows() == 0


async def test_an_erased_persons_draft_is_taken_back_in_the_chat_where_it_stands(store: Store, world: World) -> None:
    async with at_desk(store) as desk:
        turn = await a_turn(store)
        await desk.record(turn, "BEGUN")
        await desk.record(turn, "SHOWN", "p-1")
        await erased(world, await only_contact(world))
        store.clock.pass_seconds(2)
        (told,) = await desk.book.left()
        assert (told.signal.kind, told.signal.chat_id) == (pb.SIGNAL_KIND_RETRACT, "chat-1")
        assert told.signal.draft_message_id == "p-1"
        await desk.book.forget()
        assert await desk.rows() == 1, "it is still to be taken back"
        await desk.record(turn, "GONE")
        assert await desk.rows() == 0, "nothing says where it stood"


@pytest.mark.parametrize("who", ["erased", "there"])
async def test_where_an_erased_persons_draft_stands_is_forgotten_also_when_nobody_takes_it_back(
    store: Store, world: World, who: str
) -> None:
    async with at_desk(store) as desk:
        turn = await a_turn(store)
        await desk.record(turn, "BEGUN")
        if who == "erased":
            await erased(world, await only_contact(world))
        store.clock.now += ERASED_KEPT + timedelta(seconds=1)
        await desk.book.forget()
        assert await desk.rows() == (0 if who == "erased" else 1)


async def test_a_watcher_sees_what_is_written_until_the_message_and_not_after_a_take_over(store: Store) -> None:
    async with at_desk(store) as desk:
        watching = Watching(desk.reads, store.wakeups, asyncio.Event(), time.monotonic, draft=desk.drafts.of)
        turn = await a_turn(store)
        news = watching.watch(TENANT, turn.conversation_id, after_seq=1)
        assert await desk.share(turn, "One.")
        assert await _next(news) == (True, "One.", [])
        await store.execute("UPDATE conversations SET owner = 'human'")
        assert await _next(news) == (False, "", []), "nobody writes for the agent any more"
        await store.execute("UPDATE conversations SET owner = 'agent'")
        assert await desk.share(turn, "One. Two.")
        assert await _next(news) == (True, "One. Two.", [])
        await store.commit(turn, "One. Two. Three.")
        assert await _next(news) == (False, "", ["One. Two. Three."])
        await news.aclose()


async def test_what_was_written_before_a_take_over_is_not_seen_again_when_the_agent_has_it_back(store: Store) -> None:
    """Nor is anybody seen writing: the turn ends without a reply. Who writes the next one is."""
    async with at_desk(store) as desk:
        watching = Watching(desk.reads, store.wakeups, asyncio.Event(), time.monotonic, draft=desk.drafts.of)
        turn = await a_turn(store)
        news = watching.watch(TENANT, turn.conversation_id, after_seq=1)
        assert await desk.share(turn, "One.")
        assert await _next(news) == (True, "One.", [])
        await _owned_by(store, "human")
        assert await _next(news) == (False, "", [])
        await _owned_by(store, "agent")
        assert not await desk.share(turn, "One. Two.")
        late = watching.watch(TENANT, turn.conversation_id, after_seq=1)
        assert await _next(late) == (False, "", [])
        await store.hear("and now?")
        assert await _next(news) == await _next(late) == (False, "", ["and now?"])
        await store.commit(turn, "One. Two. Three.")
        (turn,) = await store.lease()
        assert await desk.share(turn, "Four.")
        assert await _next(news) == await _next(late) == (True, "Four.", [])
        await news.aclose()
        await late.aclose()


async def test_a_turn_that_somebody_else_takes_up_after_a_give_back_is_seen(store: Store) -> None:
    """Its first worker gave it back, to stop say; the second answers for the agent."""
    async with at_desk(store) as desk:
        watching = Watching(desk.reads, store.wakeups, asyncio.Event(), time.monotonic, draft=desk.drafts.of)
        turn = await a_turn(store)
        news = watching.watch(TENANT, turn.conversation_id, after_seq=1)
        assert await _next(news) == (True, "", [])
        await _owned_by(store, "human")
        await _owned_by(store, "agent")
        await store.give_back(turn)
        (again,) = await store.lease(worker="w2")
        assert again.turn_id == turn.turn_id
        assert await desk.share(again, "One.", worker="w2")
        while (seen := await _next(news)) == (False, "", []):
            pass
        assert seen == (True, "One.", [])
        await news.aclose()


async def test_a_worker_that_does_not_say_when_its_turn_was_leased_is_believed(store: Store) -> None:
    """As one of an older version, during an update."""
    async with at_desk(store) as desk:
        turn = await a_turn(store)
        draft = pb.TurnDraft(tenant_id=TENANT, turn_id=turn.turn_id, epoch=turn.epoch, text="One.")
        assert await desk.drafts.share("w1", [draft]) == [True]


async def _owned_by(store: Store, owner: str) -> None:
    await store.execute(f"UPDATE conversations SET owner = '{owner}', owner_epoch = owner_epoch + 1")


async def _next(news: AsyncIterator[WatchMessagesResponse]) -> tuple[bool, str, list[str]]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        heard = await anext(news)
    return heard.thinking, heard.draft, [each.text for each in heard.messages]


def test_nothing_goes_that_may_be_the_reply() -> None:
    def of(*deliveries: str, is_reply: bool = False, open_turn: bool = False, same_owner: bool = True) -> Fate:
        return fate(open_turn=open_turn, same_owner=same_owner, deliveries=deliveries, is_reply=is_reply)[0]

    assert of(open_turn=True) is Fate.STAYS
    assert of(open_turn=True, same_owner=False) is Fate.GOES
    for state in ("queued", "sending", "unknown"):
        assert of(state) is Fate.STAYS
        assert of(state, same_owner=False) is Fate.STAYS
    assert of("sent", is_reply=True) is of("delivered", is_reply=True, same_owner=False) is Fate.IS_THE_REPLY
    assert of("sent") is of("failed") is of() is Fate.GOES
