"""Does the real sender show what storage tells it to, and never after the reply?"""

import asyncio
from pathlib import Path

from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1.signal_requests_pb2 import SIGNAL_KIND_TYPING, Signal, WatchSignalsResponse
from tests.suites.sender.test_discord import CHANNEL, Bench, _bench, _until


def _typing(bench: Bench, turn_id: str) -> WatchSignalsResponse:
    bench.outbox.account.account.state = 1  # type: ignore[assignment]  # ACTIVE
    signal = Signal(
        tenant_id="t1",
        turn_id=turn_id,
        conversation_id="conversation-1",
        account_id="a1",
        chat_id=CHANNEL,
        kind=SIGNAL_KIND_TYPING,
    )
    return WatchSignalsResponse(signals=[signal], accounts=[bench.outbox.account])


async def test_it_listens_for_what_its_channels_can_show(tmp_path: Path) -> None:
    async with _bench(tmp_path) as bench:
        await _until(lambda: bench.outbox.watchers)
    told = {each.channel: each for each in bench.outbox.watchers[0].channels}
    assert set(told) >= {"whatsapp", "whatsapp_cloud", "instagram", "telegram", "slack", "discord"}
    assert told["instagram"].read
    assert not told["telegram"].read
    assert 0 < told["telegram"].typing.ToMilliseconds() < 5000


async def test_what_it_is_told_is_shown_and_no_attempt(tmp_path: Path) -> None:
    async with _bench(tmp_path) as bench:
        bench.outbox.signals.put_nowait(_typing(bench, "turn-1"))
        await _until(lambda: bench.discord.signals == [CHANNEL])
        assert bench.outbox.record_calls == 0


async def test_nothing_is_shown_for_a_turn_that_was_answered(tmp_path: Path) -> None:
    async with _bench(tmp_path) as bench:
        kept = bench.outbox.queue("hello", CHANNEL)
        kept.leased.turn_id = "turn-1"
        await _until(lambda: kept.state == chat.DELIVERY_STATE_SENT)
        bench.outbox.signals.put_nowait(_typing(bench, "turn-1"))
        bench.outbox.signals.put_nowait(_typing(bench, "turn-2"))
        await _until(lambda: bench.discord.signals)
        assert bench.discord.signals == [CHANNEL]


async def test_a_provider_that_hangs_over_a_signal_keeps_no_reply_waiting(tmp_path: Path) -> None:
    async with _bench(tmp_path, mode="hang") as bench:
        for number in range(200):
            bench.outbox.signals.put_nowait(_typing(bench, f"turn-{number}"))
        await _until(lambda: bench.discord.requests)
        bench.discord.mode = "ok"
        kept = bench.outbox.queue("hello", CHANNEL)
        await _until(lambda: kept.state == chat.DELIVERY_STATE_SENT)
        assert kept.outcomes == ["BEGUN", "SENT"]


async def test_a_sender_that_stops_leaves_no_signal_behind(tmp_path: Path) -> None:
    async with _bench(tmp_path, mode="hang") as bench:
        bench.outbox.signals.put_nowait(_typing(bench, "turn-1"))
        await _until(lambda: bench.discord.requests)
    assert not [task for task in asyncio.all_tasks() if "presence" in repr(task.get_coro())]
