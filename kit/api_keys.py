"""Whose API key is it? Storage knows, and every other service that takes calls from outside asks it."""

import grpc

from kit.access import Caller
from kit.errors import from_rpc
from parley.storage.v1.directory_requests_pb2 import VerifyApiKeyRequest
from parley.storage.v1.directory_service_pb2_grpc import DirectoryServiceStub

VERIFY_SECONDS = 3.0


class AskedKeys:
    """Verifies credentials of tenants, as kit.access.KeyVerifier asks. Who authenticates remembers for a moment."""

    def __init__(self, storage: grpc.aio.Channel) -> None:
        self._directory = DirectoryServiceStub(storage)

    async def verify(self, secret: str) -> Caller:
        """The holder of the key. Raises CredentialMissing, and what a storage that is away means."""
        try:
            answer = await self._directory.VerifyApiKey(VerifyApiKeyRequest(secret=secret), timeout=VERIFY_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from None
        key = answer.key
        return Caller(tenant_id=key.tenant_id, scopes=frozenset(key.scopes), name=key.name)
