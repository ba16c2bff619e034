"""PrivacyService's front door: what a person may ask of us about themselves."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from kit.access import caller
from parley.storage.v1 import privacy_service_pb2 as pb
from parley.storage.v1 import privacy_service_pb2_grpc as grpc_pb
from storage_service.backends.erasure import Erasure
from storage_service.backends.export import Export
from storage_service.backends.retention import Retention

SERVICE = "parley.storage.v1.PrivacyService"


class PrivacyServicer(grpc_pb.PrivacyServiceServicer):
    """Answers for privacy."""

    def __init__(self, export: Export, erasure: Erasure, *, retention: Retention) -> None:
        self._export = export
        self._erasure = erasure
        self._retention = retention

    async def ExportContact(
        self, request: pb.ExportContactRequest, _context: Any
    ) -> AsyncIterator[pb.ExportContactResponse]:
        async with aclosing(self._export.chunks(request, caller().name)) as chunks:
            async for chunk in chunks:
                yield pb.ExportContactResponse(chunk=chunk)

    async def EraseContact(self, request: pb.EraseContactRequest, _context: Any) -> pb.EraseContactResponse:
        return await self._erasure.erase(request, caller().name)

    async def ApplyRetention(self, request: pb.ApplyRetentionRequest, _context: Any) -> pb.ApplyRetentionResponse:
        return await self._retention.apply(request, caller().name)
