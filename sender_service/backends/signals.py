"""How does the sender hear what to show? By a stream from storage, begun again whenever it ends."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import grpc

from channels.channel import Channel
from channels.presence import Drafts, Signals
from kit import logs
from kit.errors import from_rpc
from kit.moments import span
from parley.storage.v1 import signal_requests_pb2 as pb

if TYPE_CHECKING:
    from parley.storage.v1.outbox_service_pb2_grpc import OutboxServiceAsyncStub

LISTENS_SECONDS = 600.0
RECORD_SECONDS = 5.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 10.0
RENEWED = 0.9  # of the time that it stays: shown again before it fades
UNKNOWN_SECONDS = 60.0  # a storage of an older release knows no signals

log = logs.get("sender")


async def listen(
    stub: "OutboxServiceAsyncStub",
    worker_id: str,
    *,
    channels: Mapping[str, Channel],
    show: Callable[[pb.WatchSignalsResponse], None],
    random: Callable[[], float],
) -> None:
    """Listens until cancelled. What is said while nobody listens is lost, and nothing depends on it."""
    request = pb.WatchSignalsRequest(worker_id=worker_id, channels=_shown(channels))
    pause = FIRST_PAUSE_SECONDS
    while True:
        call = stub.WatchSignals(request, timeout=LISTENS_SECONDS)
        try:
            async for told in call:
                show(told)
                pause = FIRST_PAUSE_SECONDS
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:  # the time that we set ourselves
                continue
            log.debug("signals.away", code=error.code().name)
            pause = UNKNOWN_SECONDS if error.code() is grpc.StatusCode.UNIMPLEMENTED else pause
        finally:
            call.cancel()
        await asyncio.sleep(pause * (0.5 + random() / 2))
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


async def record_draft(stub: "OutboxServiceAsyncStub", worker_id: str, *, record: pb.DraftRecord) -> pb.DraftResult:
    """Writes down what becomes of a draft. Raises ParleyError."""
    request = pb.RecordDraftsRequest(worker_id=worker_id, drafts=[record])
    try:
        response = await stub.RecordDrafts(request, timeout=RECORD_SECONDS)
    except grpc.aio.AioRpcError as error:
        raise from_rpc(error) from None
    return response.results[0]


def _shown(channels: Mapping[str, Channel]) -> list[pb.SignalledChannel]:
    """Of the channels on which there is something to show."""
    able = {name: _shown_on(name, each) for name, each in channels.items()}
    return [each for each in able.values() if each.read or each.drafts or each.HasField("typing")]


def _shown_on(name: str, channel: Channel) -> pb.SignalledChannel:
    signals = channel.signals if isinstance(channel, Signals) else {}
    typing = RENEWED * timedelta(seconds=signals.get("typing", 0.0))
    return pb.SignalledChannel(
        channel=name,
        read="read" in signals,
        typing=span(typing) if typing else None,
        drafts=isinstance(channel, Drafts),
    )
