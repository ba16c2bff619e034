"""For which accounts does this process listen? ListenerService, as far as the gateway needs it."""

from collections.abc import Sequence
from datetime import timedelta

import grpc
from google.protobuf.duration_pb2 import Duration

from gateway.backends.failures import why
from parley.storage.v1 import listener_service_pb2, listener_service_pb2_grpc


class Leases:
    """The accounts that one process holds."""

    def __init__(
        self, channel: grpc.aio.Channel, *, worker_id: str, channels: Sequence[str], timeout: timedelta
    ) -> None:
        self._stub = listener_service_pb2_grpc.ListenerServiceStub(channel)
        self._worker_id = worker_id
        self._channels = channels
        self._timeout = timeout.total_seconds()

    async def lease(
        self, held: Sequence[listener_service_pb2.HeldListener], *, lease: timedelta, most: int
    ) -> Sequence[listener_service_pb2.LeasedListener]:
        """Everything that is this process's from now on. Raises why nobody can say."""
        length = Duration()
        length.FromTimedelta(lease)
        request = listener_service_pb2.LeaseListenersRequest(
            worker_id=self._worker_id, channels=self._channels, lease=length, max_accounts=most, held=held
        )
        try:
            response = await self._stub.LeaseListeners(request, timeout=self._timeout)
        except grpc.aio.AioRpcError as failure:
            raise why(failure) from None
        return response.listeners
