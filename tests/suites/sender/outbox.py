"""An OutboxService that keeps the contract's word in memory, on a real server: what the sender meets before storage."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from kit.errors import LeaseLost, ParleyError, as_item
from kit.moments import seconds, stamp, utc_now
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import delivery_requests_pb2 as pb
from parley.storage.v1 import outbox_service_pb2 as service
from parley.storage.v1 import signal_requests_pb2 as signals
from parley.storage.v1.delivery_requests_pb2 import AttemptOutcome, AttemptRecord, LeasedDelivery
from parley.storage.v1.directory_pb2 import AccountSecrets, ChannelAccount
from parley.storage.v1.outbox_service_pb2_grpc import OutboxServiceServicer


@dataclass
class Kept:
    """One delivery."""

    leased: LeasedDelivery
    state: chat.DeliveryState = chat.DELIVERY_STATE_QUEUED
    due_at: float = 0.0
    begun: bool = False
    records: list[AttemptRecord] = field(default_factory=list)

    @property
    def outcomes(self) -> list[str]:
        return [AttemptOutcome.Name(each.outcome).removeprefix("ATTEMPT_OUTCOME_") for each in self.records]


class MemoryOutbox(OutboxServiceServicer):
    """Deliveries, each a conversation of its own. `away` makes every call fail; `steal` makes leases stale."""

    def __init__(self, account: AccountSecrets) -> None:
        self.account = account
        self.kept: dict[str, Kept] = {}
        self.away: ParleyError | None = None
        self.steal = False
        self.lease_calls = 0
        self.record_calls = 0
        self.queued: list[service.QueueMessageRequest] = []
        self.signals: asyncio.Queue[signals.WatchSignalsResponse] = asyncio.Queue()
        self.watchers: list[signals.WatchSignalsRequest] = []
        self.drafts: list[signals.DraftRecord] = []
        self.grants = True
        self._waiting: deque[str] = deque()
        self._changed = asyncio.Event()

    def queue(self, text: str, chat_id: str = "whatsapp:+15550001111", *, silent: timedelta = timedelta()) -> Kept:
        """A text for somebody who wrote that long ago."""
        leased = LeasedDelivery(
            tenant_id="t1",
            delivery_id=f"d{len(self.kept)}",
            epoch=0,
            account_id=self.account.account.id,
            chat_id=chat_id,
            text=text,
            last_inbound_at=stamp(utc_now() - silent),
            created_at=stamp(utc_now()),
            correlation_id=f"correlation-{len(self.kept)}",
        )
        kept = self.kept[leased.delivery_id] = Kept(leased)
        self._ready(leased.delivery_id)
        return kept

    async def LeaseDeliveries(self, request: pb.LeaseDeliveriesRequest, context: Any) -> pb.LeaseDeliveriesResponse:  # noqa: N802
        self._check()
        self.lease_calls += 1
        if not self._waiting:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), seconds(request.wait))
            except TimeoutError:
                return pb.LeaseDeliveriesResponse()
        names = [self._waiting.popleft() for _ in range(min(request.max_deliveries, len(self._waiting)))]
        leased = [self.kept[name].leased for name in names]
        for each in leased:
            each.epoch += 1
        return pb.LeaseDeliveriesResponse(deliveries=leased, accounts=[self.account])

    async def RecordAttempts(self, request: pb.RecordAttemptsRequest, context: Any) -> pb.RecordAttemptsResponse:  # noqa: N802
        self._check()
        self.record_calls += 1
        return pb.RecordAttemptsResponse(results=[self._record(each) for each in request.attempts])

    async def WatchSignals(  # noqa: N802
        self, request: signals.WatchSignalsRequest, context: Any
    ) -> AsyncIterator[signals.WatchSignalsResponse]:
        self.watchers.append(request)
        while True:
            yield await self.signals.get()

    async def RecordDrafts(self, request: signals.RecordDraftsRequest, context: Any) -> signals.RecordDraftsResponse:  # noqa: N802
        self.drafts += request.drafts
        return signals.RecordDraftsResponse(results=[signals.DraftResult(granted=self.grants) for _ in request.drafts])

    async def QueueMessage(self, request: service.QueueMessageRequest, context: Any) -> service.QueueMessageResponse:  # noqa: N802
        self._check()
        self.queued.append(request)
        return service.QueueMessageResponse(message_id="m1", delivery_id="d1")

    async def RecordReceipts(self, request: Any, context: Any) -> service.RecordReceiptsResponse:  # noqa: N802
        raise NotImplementedError

    async def RetryDelivery(self, request: Any, context: Any) -> service.RetryDeliveryResponse:  # noqa: N802
        raise NotImplementedError

    async def PutDeliveryAside(  # noqa: N802
        self, request: Any, context: Any
    ) -> service.PutDeliveryAsideResponse:
        raise NotImplementedError

    async def ListDeliveries(self, request: Any, context: Any) -> service.ListDeliveriesResponse:  # noqa: N802
        raise NotImplementedError

    def _record(self, record: AttemptRecord) -> pb.AttemptResult:
        kept = self.kept[record.delivery_id]
        if self.steal or record.epoch != kept.leased.epoch:
            return pb.AttemptResult(error=as_item(LeaseLost()))
        kept.records.append(record)
        kept.leased.attempts += record.outcome == pb.ATTEMPT_OUTCOME_BEGUN
        if record.outcome == pb.ATTEMPT_OUTCOME_SENT:
            kept.leased.next_part, kept.leased.attempts = record.part + 1, int(record.begin_next)
        kept.state = _STATES.get(record.outcome, chat.DELIVERY_STATE_QUEUED)
        if record.template and record.outcome == pb.ATTEMPT_OUTCOME_SENT:
            kept.leased.last_template_at.CopyFrom(stamp(utc_now()))
        if record.window_closed:
            kept.leased.window_closed_at.CopyFrom(stamp(utc_now()))
        if record.outcome == pb.ATTEMPT_OUTCOME_RETRY:
            asyncio.get_running_loop().call_later(seconds(record.retry_after), self._ready, record.delivery_id)
        return pb.AttemptResult(state=kept.state)

    def _ready(self, delivery_id: str) -> None:
        self._waiting.append(delivery_id)
        self._changed.set()

    def _check(self) -> None:
        if self.away:
            raise self.away


_STATES = {
    pb.ATTEMPT_OUTCOME_BEGUN: chat.DELIVERY_STATE_SENDING,
    pb.ATTEMPT_OUTCOME_SENT: chat.DELIVERY_STATE_SENT,
    pb.ATTEMPT_OUTCOME_REJECTED: chat.DELIVERY_STATE_FAILED,
    pb.ATTEMPT_OUTCOME_UNKNOWN: chat.DELIVERY_STATE_UNKNOWN,
}


def whatsapp_account(account_sid: str, auth_token: str) -> AccountSecrets:
    account = ChannelAccount(
        id="a1", tenant_id="t1", channel="whatsapp", account_key="key1", address="whatsapp:+14155238886"
    )
    return AccountSecrets(account=account, credentials={"account_sid": account_sid, "auth_token": auth_token})
