"""ListenerService's front door: who listens where."""

from typing import Any

from parley.storage.v1 import listener_service_pb2 as pb
from parley.storage.v1 import listener_service_pb2_grpc as grpc_pb
from storage_service.backends.listeners import Listeners

SERVICE = "parley.storage.v1.ListenerService"


class ListenerServicer(grpc_pb.ListenerServiceServicer):
    """Answers for leases of accounts. The guard has checked scope, tenant and limits before."""

    def __init__(self, listeners: Listeners) -> None:
        self._listeners = listeners

    async def LeaseListeners(self, request: pb.LeaseListenersRequest, _context: Any) -> pb.LeaseListenersResponse:
        return await self._listeners.lease(request)

    async def ListListeners(self, request: pb.ListListenersRequest, _context: Any) -> pb.ListListenersResponse:
        return await self._listeners.listed(request)
