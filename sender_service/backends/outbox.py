"""How does the sender reach the outbox? It leases by long poll and records in frames, again while storage is away."""

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import grpc

from kit.errors import InvalidField, ParleyError, from_item, from_rpc
from kit.frames import UNHURRIED, Frames
from kit.moments import span
from parley.storage.v1 import delivery_requests_pb2 as pb
from parley.storage.v1.delivery_requests_pb2 import AttemptRecord, AttemptResult

if TYPE_CHECKING:
    from parley.storage.v1.outbox_service_pb2_grpc import OutboxServiceAsyncStub

MOST_RECORDS = 256
RECORD_SECONDS = 5.0  # one frame; storage commits in milliseconds or is in trouble
LEASE_GRACE_SECONDS = 5.0  # beyond the wait that storage was asked for
PASSING = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}
)
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0


class Outbox:
    """The outbox as one worker sees it."""

    def __init__(
        self,
        stub: "OutboxServiceAsyncStub",
        worker_id: str,
        *,
        lease_seconds: float,
        wait_seconds: float,
        random: Callable[[], float],
    ) -> None:
        self._stub = stub
        self._worker_id = worker_id
        self._lease = span(timedelta(seconds=lease_seconds))
        self._wait = span(timedelta(seconds=wait_seconds))
        self._lease_timeout = wait_seconds + LEASE_GRACE_SECONDS
        self._random = random
        self._frames: Frames[AttemptRecord, AttemptResult] = Frames(
            self._send, most=MOST_RECORDS, breath=UNHURRIED, name="attempts", weigh=AttemptRecord.ByteSize
        )

    async def lease(self, most: int) -> pb.LeaseDeliveriesResponse:
        """At most so many deliveries, as soon as there are any; none after a while. Raises ParleyError."""
        request = pb.LeaseDeliveriesRequest(
            worker_id=self._worker_id, max_deliveries=most, wait=self._wait, lease=self._lease
        )
        try:
            return await self._stub.LeaseDeliveries(request, timeout=self._lease_timeout)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from None

    async def record(self, record: AttemptRecord, within_seconds: float) -> AttemptResult:
        """Writes a record. While storage is away it tries for so long: saying it twice changes nothing."""
        until = time.monotonic() + within_seconds
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return await self._frames.put(record)
            except ParleyError as error:
                if error.code not in PASSING or time.monotonic() + pause > until:
                    raise
            await asyncio.sleep(pause * (0.5 + self._random() / 2))
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def close(self) -> None:
        """Sends what still waits."""
        await self._frames.close()

    async def _send(self, records: list[AttemptRecord]) -> Sequence[AttemptResult | Exception]:
        request = pb.RecordAttemptsRequest(worker_id=self._worker_id, attempts=records)
        try:
            answer = await self._stub.RecordAttempts(request, timeout=RECORD_SECONDS)
        except grpc.aio.AioRpcError as error:
            refusal = from_rpc(error)
            if isinstance(refusal, InvalidField) and len(records) > 1:  # one of them, and the others are none the worse
                return [(await self._send([record]))[0] for record in records]
            return [refusal] * len(records)
        return [from_item(each.error) if each.HasField("error") else each for each in answer.results]
