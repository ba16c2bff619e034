"""The program of a support team, which has nothing but HTTP and a key."""

import httpx

from kit.ids import new_id
from parley.storage.v1.directory_requests_pb2 import CreateApiKeyRequest
from tests.mesh.rig import TENANT, Mesh, Storage
from tests.stalls import PATIENCE_SECONDS

SCOPES = ("conversations.read", "conversations.write", "outbox.write")


async def a_key(storage: Storage, *scopes: str, tenant_id: str = TENANT) -> str:
    asked = CreateApiKeyRequest(tenant_id=tenant_id, request_id=new_id(), name="desk", scopes=scopes or SCOPES)
    made = await storage.directory.CreateApiKey(asked, metadata=storage.metadata, timeout=PATIENCE_SECONDS)
    return str(made.secret)


def a_team(mesh: Mesh, key: str) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return httpx.AsyncClient(base_url=f"{mesh.base_url}/v1", headers=headers, timeout=PATIENCE_SECONDS)
