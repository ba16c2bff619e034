"""How are drafts shown, how often, and what becomes of them when the reply comes or somebody takes over?"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from channels.channel import Answer, Call, Credentials, Outgoing, Rejected, Throttled, Unknown
from channels.presence import DraftManners, Drawing, Gesture
from parley.storage.v1 import signal_requests_pb2 as pb
from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from parley.storage.v1.pacing_pb2 import Pacing, Rate
from sender_service.domain.drafts import SETTLES_SECONDS, USED_SECONDS, Drafts, Wanted
from tests.stalls import PATIENCE_SECONDS
from tests.unit.sender.road import Pigeon

OUTGOING = Outgoing(delivery_id="", part=0, text="", chat_id="c1", address="roof")


class Owl(Pigeon):
    """A channel whose drafts are messages."""

    name = "owl"
    manners: DraftManners | None = DraftManners(chat_seconds=0.0, account_seconds=0.0, stay=True)

    def draft_manners(self, _outgoing: Outgoing) -> DraftManners | None:
        return self.manners

    def draft(self, outgoing: Outgoing, _credentials: Credentials, *, turn_id: str) -> Drawing:
        answer = yield Call("POST", "http://loft/", {}, f"{outgoing.draft or turn_id}: {outgoing.text}".encode(), 5.0)
        return answer.body.decode()

    def retract(self, outgoing: Outgoing, _credentials: Credentials, *, turn_id: str) -> Gesture:
        yield Call("DELETE", "http://loft/", {}, f"-{outgoing.draft or turn_id}".encode(), 5.0)


class Moth(Owl):
    """One whose drafts fade by themselves."""

    manners = DraftManners(chat_seconds=0.0, account_seconds=0.0, stay=False)

    def draft(self, _outgoing: Outgoing, _credentials: Credentials, *, turn_id: str) -> Drawing:
        yield Call("POST", "http://loft/", {}, turn_id.encode(), 5.0)
        return ""


@dataclass
class Sky:
    """Drafts, what the provider hears of them, and what storage is told."""

    channel: Owl = field(default_factory=Owl)
    failures: list[Exception | None] = field(default_factory=list)
    grants: Callable[[pb.DraftRecord], bool] = lambda _record: True
    heard: list[str] = field(default_factory=list)
    records: list[pb.DraftRecord] = field(default_factory=list)
    waits: list[Duration | None] = field(default_factory=list)  # of what is begun, one after the other
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    pacing: Pacing | None = None
    now: float = 1000.0

    def __post_init__(self) -> None:
        self.hold.set()
        self.drafts = Drafts(self.call, self.record, monotonic=lambda: self.now)

    async def call(self, call: Call, _within_seconds: float) -> Answer:
        self.heard.append(call.body.decode())
        await self.hold.wait()
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        return Answer(200, {}, b"id-1")

    async def record(self, record: pb.DraftRecord) -> pb.DraftResult:
        self.records.append(record)
        return pb.DraftResult(granted=self.grants(record), wait=self.waits.pop(0) if self.waits else None)

    @property
    def states(self) -> list[str]:
        return [pb.DraftState.Name(each.state).removeprefix("DRAFT_STATE_") for each in self.records]

    def wanted(self, text: str = "", turn: str = "turn-1", draft_message_id: str = "") -> Wanted:
        signal = pb.Signal(tenant_id="t1", turn_id=turn, conversation_id="c1", account_id="a1", text=text)
        signal.draft_message_id = draft_message_id
        return Wanted(signal, OUTGOING, self.channel, Credentials({}), self.pacing)

    async def heard_more_than(self, count: int) -> None:
        while len(self.heard) <= count:
            await asyncio.sleep(0)

    async def draw(self, *texts: str) -> list[str]:
        """One after the other, each when the one before was shown. What the provider heard."""
        before = len(self.heard)
        for text in texts:
            self.drafts.draw(self.wanted(text))
            await self.settled()
        return self.heard[before:]

    async def settled(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)


def reply(turn: str = "turn-1") -> LeasedDelivery:
    return LeasedDelivery(turn_id=turn, conversation_id="c1")


async def test_a_draft_is_on_record_before_it_is_posted_and_edited_from_then_on() -> None:
    sky = Sky()
    assert await sky.draw("One.", "One. Two.") == ["turn-1: One.", "id-1: One. Two."]
    assert sky.states == ["BEGUN", "SHOWN"]
    assert sky.records[1].provider_message_id == "id-1"
    assert await sky.drafts.settle(reply()) == "id-1"


async def test_the_newest_is_shown_and_what_it_overtook_is_not() -> None:
    sky = Sky()
    for text in ("One.", "One. Two.", "One. Two. Three."):
        sky.drafts.draw(sky.wanted(text))
    await sky.settled()
    assert sky.heard == ["turn-1: One. Two."], "as much of it as one part holds"


async def test_what_looks_the_same_is_not_edited() -> None:
    assert len(await Sky().draw("One.", "One.")) == 1


async def test_drafts_keep_the_providers_pace_in_a_chat_and_for_the_account() -> None:
    sky = Sky()
    sky.channel.manners = DraftManners(chat_seconds=30.0, account_seconds=60.0, stay=True)
    await sky.draw("One.", "Two.")
    sky.drafts.draw(sky.wanted("Elsewhere.", turn="turn-2"))
    await sky.settled()
    assert sky.heard == ["turn-1: One."]
    assert await sky.drafts.settle(reply()) == "id-1", "and a reply waits for no pace"
    await sky.drafts.close()


async def test_where_drafts_count_each_is_asked_for_and_waits_as_long_as_replies_may_need() -> None:
    sky = Sky(waits=[None, None, Duration(nanos=1)])  # of what is begun, shown, begun too early, begun
    sky.channel.manners = DraftManners(chat_seconds=0.0, account_seconds=0.0, stay=True, counted=True)
    pace = Pacing(chat=Rate(interval_micros=4_000_000, burst=4))
    sky.pacing = pace
    assert await sky.draw("One.") == ["turn-1: One."]
    assert [(each.state, each.pacing) for each in sky.records[:1]] == [(pb.DRAFT_STATE_BEGUN, pace)]
    sky.drafts.draw(sky.wanted("One. Two."))
    await asyncio.wait_for(sky.heard_more_than(1), PATIENCE_SECONDS)
    assert sky.heard == ["turn-1: One.", "id-1: One. Two."]
    assert sky.states == ["BEGUN", "SHOWN", "BEGUN", "BEGUN"]


async def test_where_a_chat_shows_none_nothing_is_drawn() -> None:
    sky = Sky()
    sky.channel.manners = None
    assert await sky.draw("One.") == []
    assert sky.records == []


async def test_what_was_refused_before_anything_stood_there_is_said_to_be_gone() -> None:
    for failure in (Rejected(kind="recipient"), Throttled(retry_after=timedelta(seconds=30))):
        sky = Sky(failures=[failure])
        assert await sky.draw("One.") == ["turn-1: One."]
        assert sky.states == ["BEGUN", "GONE"]
        await sky.drafts.close()


async def test_nothing_is_drawn_once_the_reply_is_on_its_way() -> None:
    sky = Sky()
    await sky.drafts.settle(reply())
    assert await sky.draw("One.") == []


async def test_who_is_not_granted_draws_nothing() -> None:
    sky = Sky(grants=lambda _record: False)
    assert await sky.draw("One.", "Two.") == []
    assert await sky.drafts.settle(reply()) == ""


async def test_a_draft_that_must_go_already_is_taken_back_by_whoever_posted_it() -> None:
    sky = Sky(grants=lambda record: record.state != pb.DRAFT_STATE_SHOWN)
    assert await sky.draw("One.", "Two.") == ["turn-1: One.", "-id-1"]
    assert await sky.drafts.settle(reply()) == ""


async def test_a_reply_waits_for_an_edit_that_is_under_way() -> None:
    sky = Sky()
    await sky.draw("One.")
    sky.hold.clear()
    await sky.draw("Two.")
    settling = asyncio.create_task(sky.drafts.settle(reply()))
    await sky.settled()
    assert not settling.done()
    sky.hold.set()
    assert await settling == "id-1"


async def test_an_edit_that_does_not_end_is_given_up_and_the_reply_goes_by_itself() -> None:
    sky = Sky()
    await sky.draw("One.")
    sky.hold.clear()
    await sky.draw("Two.")
    assert await asyncio.wait_for(sky.drafts.settle(reply()), SETTLES_SECONDS + PATIENCE_SECONDS) == ""


async def test_a_post_that_may_have_been_taken_is_nobodys_to_edit() -> None:
    sky = Sky(failures=[Unknown()])
    assert await sky.draw("One.", "Two.") == ["turn-1: One."]
    assert sky.states == ["BEGUN"]
    assert await sky.drafts.settle(reply()) == ""


async def test_an_edit_that_was_lost_is_made_again_with_the_next() -> None:
    sky = Sky(failures=[None, Unknown()])
    assert len(await sky.draw("One.", "Two.", "Three.")) == 3
    assert await sky.drafts.settle(reply()) == "id-1"


async def test_a_throttled_account_draws_no_more_for_as_long() -> None:
    sky = Sky(failures=[None, Throttled(retry_after=timedelta(seconds=60))])
    assert len(await sky.draw("One.", "Two.", "Three.")) == 2
    assert await sky.drafts.settle(reply()) == "id-1"


async def test_what_was_refused_ends_the_drawing() -> None:
    sky = Sky(failures=[Rejected(kind="payload")])
    assert len(await sky.draw("One.", "Two.")) == 1


async def test_a_draft_that_must_go_is_taken_back_and_that_is_recorded() -> None:
    sky = Sky()
    await sky.draw("One.")
    sky.drafts.retract(sky.wanted(draft_message_id="id-1"))
    await sky.settled()
    assert (sky.heard[-1], sky.states[-1]) == ("-id-1", "GONE")
    assert await sky.drafts.settle(reply()) == "", "no reply takes its place any more"


async def test_another_ones_draft_is_taken_back_by_its_id_or_by_its_turn() -> None:
    sky = Sky()
    sky.drafts.retract(sky.wanted(draft_message_id="id-9"))
    sky.drafts.retract(sky.wanted(turn="turn-9"))
    await sky.settled()
    assert (sky.heard, sky.states) == (["-id-9", "-turn-9"], ["GONE", "GONE"])


async def test_a_draft_that_could_not_be_taken_back_is_not_said_to_be_gone() -> None:
    failures: list[Exception | None] = [Throttled()]
    sky = Sky(failures=failures)
    sky.drafts.retract(sky.wanted(draft_message_id="id-9"))
    await sky.settled()
    assert sky.records == []


async def test_a_draft_whose_place_the_reply_takes_now_is_not_taken_back() -> None:
    sky = Sky()
    await sky.draw("One.")
    await sky.drafts.settle(reply())
    sky.drafts.retract(sky.wanted(draft_message_id="id-1"))
    await sky.settled()
    assert sky.heard == ["turn-1: One."]
    sky.now += USED_SECONDS + 1
    sky.drafts.retract(sky.wanted(draft_message_id="id-1"))
    await sky.settled()
    assert sky.heard[-1] == "-id-1"


async def test_a_channel_whose_drafts_fade_keeps_no_record() -> None:
    sky = Sky(channel=Moth())
    assert await sky.draw("One.", "Two.") == ["turn-1", "turn-1"]
    assert (sky.records, await sky.drafts.settle(reply())) == ([], "")


async def test_a_sender_that_stops_leaves_nothing_running() -> None:
    sky = Sky()
    sky.hold.clear()
    await sky.draw("One.")
    await sky.drafts.close()
