"""OutboxService's front door: deliveries out, what became of them back in."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from kit.access import caller
from kit.errors import as_item
from parley.storage.v1 import delivery_requests_pb2 as requests
from parley.storage.v1 import outbox_service_pb2 as pb
from parley.storage.v1 import outbox_service_pb2_grpc as grpc_pb
from parley.storage.v1 import signal_requests_pb2 as signals_pb
from storage_service.backends.drafts import DraftBook
from storage_service.backends.wishes import Wishes
from storage_service.domain.accompanied import Secrets, leased, portions
from storage_service.domain.asks import Ask
from storage_service.domain.outbox import Outbox
from storage_service.domain.presence import Presence
from storage_service.servicers.inbox import patience, span

SERVICE = "parley.storage.v1.OutboxService"

LEASE_SECONDS = 60


class OutboxServicer(grpc_pb.OutboxServiceServicer):
    """Answers for the outbox. `secrets` opens the credentials of accounts."""

    def __init__(
        self, outbox: Outbox, wishes: Wishes, *, presence: Presence, drafts: DraftBook, secrets: Secrets
    ) -> None:
        self._outbox = outbox
        self._wishes = wishes
        self._presence = presence
        self._drafts = drafts
        self._secrets = secrets

    async def LeaseDeliveries(
        self, request: requests.LeaseDeliveriesRequest, _context: Any
    ) -> requests.LeaseDeliveriesResponse:
        ask = Ask(request.worker_id, request.max_deliveries, span(request.lease, LEASE_SECONDS), 0)
        given = await self._outbox.lease(ask, patience(request.wait))
        deliveries, accounts = await leased(
            self._outbox.deliveries, given, worker_id=ask.worker_id, secrets=self._secrets
        )
        return requests.LeaseDeliveriesResponse(deliveries=deliveries, accounts=accounts)

    async def RecordAttempts(
        self, request: requests.RecordAttemptsRequest, _context: Any
    ) -> requests.RecordAttemptsResponse:
        return requests.RecordAttemptsResponse(results=await self._outbox.record(request.worker_id, request.attempts))

    async def WatchSignals(
        self, request: signals_pb.WatchSignalsRequest, _context: Any
    ) -> AsyncIterator[signals_pb.WatchSignalsResponse]:
        async with aclosing(self._presence.watch(request.channels)) as heard:
            async for signals in heard:
                accounts = await self._secrets({each.account_id for each in signals})
                for part, beside in portions(signals, accounts):
                    yield signals_pb.WatchSignalsResponse(signals=part, accounts=beside)

    async def RecordDrafts(
        self, request: signals_pb.RecordDraftsRequest, _context: Any
    ) -> signals_pb.RecordDraftsResponse:
        results = await self._drafts.record(request.worker_id, request.drafts)
        return signals_pb.RecordDraftsResponse(results=results)

    async def RecordReceipts(self, request: pb.RecordReceiptsRequest, _context: Any) -> pb.RecordReceiptsResponse:
        results = await self._outbox.receipts(request.accounts)
        return pb.RecordReceiptsResponse(
            results=[pb.ReceiptsResult(error=as_item(each) if each else None) for each in results]
        )

    async def QueueMessage(self, request: pb.QueueMessageRequest, _context: Any) -> pb.QueueMessageResponse:
        return await self._wishes.queue_message(request, caller().name)

    async def RetryDelivery(self, request: pb.RetryDeliveryRequest, _context: Any) -> pb.RetryDeliveryResponse:
        return await self._wishes.retry_delivery(request, caller().name)

    async def PutDeliveryAside(self, request: pb.PutDeliveryAsideRequest, _context: Any) -> pb.PutDeliveryAsideResponse:
        return await self._wishes.put_aside(request, caller().name)

    async def ListDeliveries(self, request: pb.ListDeliveriesRequest, _context: Any) -> pb.ListDeliveriesResponse:
        return await self._wishes.list_deliveries(request)
