"""Is Slack answered where it spoke, and is a message whose answer was lost found again, and not sent twice?"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import orjson
import pytest

from channels.channel import Webhook
from channels.slack_signature import sign
from parley.chat.v1 import message_pb2 as chat
from tests.mesh.conftest import BOTH
from tests.mesh.rig import Mesh
from tests.mesh.talk import Talk, person
from tests.mesh.world import World
from tests.simulated.slack import SIGNING_SECRET
from tests.waiting import until


@BOTH
async def test_a_direct_message_is_answered_once_though_slack_repeats_it(mesh: Mesh, world: World) -> None:
    who = _anybody()
    async with Talk(mesh) as talk:
        webhook = talk.webhook("slack", "hello <from> slack", f"U{who}")
        for _ in range(3):
            assert (await talk.post(webhook)).status == 200
        await until(lambda: world.slack.sends.to(f"D{who}"))
        await asyncio.sleep(0.3)  # for a second answer, that must not come
    assert world.slack.sends.texts(f"D{who}") == ["re: hello <from> slack"]


@BOTH
async def test_a_mention_that_comes_as_two_events_is_answered_once_in_its_thread(mesh: Mesh, world: World) -> None:
    ts = f"{_now()}.{_anybody()[-6:]}"
    mention = {"type": "app_mention", "user": "U1", "channel": "C0MESH", "text": "<@U0> hello", "ts": ts}
    async with Talk(mesh) as talk:
        for event in (mention, {**mention, "type": "message", "channel_type": "channel"}):
            assert (await talk.post(_signed(mesh, event))).status == 200
        await until(lambda: world.slack.sends.to(f"C0MESH:{ts}"))
        await asyncio.sleep(0.3)
    assert world.slack.sends.texts(f"C0MESH:{ts}") == ["re: hello"]


@BOTH
async def test_a_thread_in_which_it_was_asked_goes_on_without_a_mention_and_no_other_does(
    mesh: Mesh, world: World
) -> None:
    ts, other = f"{_now()}.{_anybody()[-6:]}", f"{_now()}.{_anybody()[-6:]}"
    said = {"type": "message", "user": "U1", "channel": "C0MESH", "channel_type": "channel"}
    mention = {**said, "text": "<@U0> when do you open?", "ts": ts}
    alone = {**said, "user": "U3", "text": "who brings cake?", "ts": other}
    beside = {**said, "user": "U2", "text": "me", "thread_ts": other, "ts": f"{_now()}.{_anybody()[-6:]}"}
    further = {**said, "user": "U2", "text": "and on Sunday?", "thread_ts": ts, "ts": f"{_now()}.{_anybody()[-6:]}"}
    place = f"C0MESH:{ts}"
    async with Talk(mesh) as talk, mesh.storage() as storage:
        for event in (alone, mention):
            assert (await talk.post(_signed(mesh, event))).status == 200
        await until(lambda: len(world.slack.sends.to(place)) == 1, 60)
        for event in (beside, further):
            assert (await talk.post(_signed(mesh, event))).status == 200
        await until(lambda: len(world.slack.sends.to(place)) == 2, 60)
        await storage.rest(60)
    assert world.slack.sends.texts(place) == ["re: when do you open?", "re: and on Sunday?"]
    assert world.slack.sends.to(f"C0MESH:{other}") == []


@BOTH
async def test_what_is_taken_back_before_it_is_answered_is_not(mesh: Mesh, world: World) -> None:
    who, ts = _anybody(), f"{_now()}.000100"
    said = {"type": "message", "user": f"U{who}", "text": "a secret", "ts": ts}
    where = {"channel": f"D{who}", "channel_type": "im"}
    gone = {"type": "message", "subtype": "message_deleted", "deleted_ts": ts, "event_ts": f"{_now()}.000200"}
    async with Talk(mesh) as talk, mesh.storage() as storage:
        async with storage.quiet_window(60_000):
            for event in (said | where, gone | where | {"previous_message": said}):
                assert (await talk.post(_signed(mesh, event))).status == 200
        await talk.say("slack", "hello", f"U{who}")
        await until(lambda: world.slack.sends.to(f"D{who}"))
        await storage.rest(60)
    assert world.slack.sends.texts(f"D{who}") == ["re: hello"]


@pytest.mark.parametrize("mode", ["lost", "broken"])
@BOTH
async def test_a_send_whose_answer_was_lost_is_settled_by_what_slack_says_was_posted(
    mesh: Mesh, world: World, mode: str
) -> None:
    who = _anybody()
    place = f"D{who}"
    async with Talk(mesh) as talk, mesh.storage() as storage:
        world.slack.mode = mode
        try:
            await talk.say("slack", "hello", f"U{who}")
            await until(lambda: world.slack.sends.to(place))
            (send,) = world.slack.sends.to(place)
            written = world.slack.posted[send.id]["metadata"]
            delivery_id = written["event_payload"]["delivery_id"]
            async with asyncio.timeout(60):
                while delivery_id not in {each.id for each in await storage.deliveries(chat.DELIVERY_STATE_UNKNOWN)}:
                    await asyncio.sleep(0.05)
        finally:
            world.slack.mode = "ok"
        posted = {"type": "message_metadata_posted", "app_id": "A1", "channel_id": place, "message_ts": send.id}
        assert (await talk.post(_signed(mesh, {**posted, "metadata": written}))).status == 200
        async with asyncio.timeout(60):
            while delivery_id not in {each.id for each in await storage.deliveries(chat.DELIVERY_STATE_SENT)}:
                await asyncio.sleep(0.05)
    assert len(world.slack.sends.to(place)) == 1


def _signed(mesh: Mesh, event: Mapping[str, object]) -> Webhook:
    authorizations = [{"team_id": "T1", "user_id": "U0", "is_bot": True}]
    envelope = {"type": "event_callback", "team_id": "T1", "api_app_id": "A1", "authorizations": authorizations}
    body = orjson.dumps({**envelope, "event": event})
    headers = {"content-type": "application/json", **sign(body, secret=SIGNING_SECRET, at=_now())}
    return Webhook("POST", f"{mesh.base_url}/webhook/slack", headers, body, datetime.now(UTC))


def _anybody() -> str:
    """What nobody else's id in this run ends with: the world outlives each mesh."""
    return person().lstrip("+")


def _now() -> int:
    return int(datetime.now(UTC).timestamp())
