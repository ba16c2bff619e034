"""Whose API key is it? Storage's directory knows."""

from typing import TYPE_CHECKING

import grpc

from kit.access import Caller
from kit.errors import from_rpc
from parley.storage.v1.directory_requests_pb2 import VerifyApiKeyRequest

if TYPE_CHECKING:
    from parley.storage.v1.directory_service_pb2_grpc import DirectoryServiceAsyncStub

VERIFY_SECONDS = 3.0


class StoredKeys:
    """Verifies credentials of tenants, as kit.access.KeyVerifier asks."""

    def __init__(self, directory: "DirectoryServiceAsyncStub") -> None:
        self._directory = directory

    async def verify(self, secret: str) -> Caller:
        """The holder of the key. Raises CredentialMissing."""
        try:
            answer = await self._directory.VerifyApiKey(VerifyApiKeyRequest(secret=secret), timeout=VERIFY_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from None
        key = answer.key
        return Caller(tenant_id=key.tenant_id, scopes=frozenset(key.scopes), name=f"key:{key.id}")
