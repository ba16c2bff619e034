"""How does a person give a program its own credential? Makes, lists and revokes API keys."""

from kit.command import reaching
from kit.command.screen import say, table
from kit.command.tenants import storage_of
from kit.ids import new_id
from kit.moments import moment
from parley.storage.v1 import directory_requests_pb2 as requests
from parley.storage.v1.directory_pb2 import ApiKey
from parley.storage.v1.directory_service_pb2_grpc import DirectoryServiceStub

# The contract has no pages of keys.
MOST_LISTED = 500


async def create(tenant: str, name: str, *, scopes: list[str]) -> None:
    """The secret goes to standard output alone, so that a script can take it."""
    wanted = requests.CreateApiKeyRequest(tenant_id=tenant, request_id=new_id(), name=name, scopes=scopes)
    async with storage_of(tenant) as storage:
        made = await DirectoryServiceStub(storage).CreateApiKey(wanted, timeout=reaching.CALL_SECONDS)
    say(made.secret)


async def listing(tenant: str) -> None:
    """Newest first."""
    async with storage_of(tenant) as storage:
        found = await DirectoryServiceStub(storage).ListApiKeys(
            requests.ListApiKeysRequest(tenant_id=tenant), timeout=reaching.CALL_SECONDS
        )
    rows = [(each.id, each.name, each.prefix, " ".join(each.scopes), _state(each)) for each in found.keys]
    table(("key", "name", "begins", "scopes", "state"), rows)
    if len(rows) == MOST_LISTED:
        say(f"… and perhaps more: these are the newest {MOST_LISTED}, and an older one may be active")


async def revoke(tenant: str, key_id: str) -> None:
    """Says when it had been revoked before."""
    wanted = requests.RevokeApiKeyRequest(tenant_id=tenant, request_id=new_id(), key_id=key_id)
    what, fix = f"there is no key {key_id!r} in tenant {tenant!r}", "parley keys list shows their ids"
    async with storage_of(tenant) as storage:
        with reaching.naming(what, fix=fix):
            found = await DirectoryServiceStub(storage).RevokeApiKey(wanted, timeout=reaching.CALL_SECONDS)
    say(f"{found.key.name} {'was revoked before' if found.duplicate else 'is revoked'}")


def _state(key: ApiKey) -> str:
    if key.HasField("revoked_at"):
        return f"revoked {moment(key.revoked_at):%Y-%m-%d}"
    return f"until {moment(key.expires_at):%Y-%m-%d}" if key.HasField("expires_at") else "active"
