"""Which API keys were issued, and whose is one that somebody shows?"""

from collections.abc import Callable
from datetime import datetime

from sqlmodel import col, select

from kit.access import Caller
from kit.errors import AlreadyExists, CredentialMissing, InvalidField
from kit.moments import moment
from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import directory_requests_pb2 as pb
from storage_service.backends import mapping, tenants
from storage_service.backends.repeats import Repeats
from storage_service.backends.rows import Rows, Who
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import ApiKey
from storage_service.domain import api_keys, paging


class ApiKeys:
    """The keys of tenants. Only a hash of a secret is kept."""

    def __init__(self, sessions: Sessions, repeats: Repeats, *, random_bytes: Callable[[int], bytes]) -> None:
        self._sessions = sessions
        self._repeats = repeats
        self._random_bytes = random_bytes

    async def create(self, request: pb.CreateApiKeyRequest, caller: Caller) -> pb.CreateApiKeyResponse:
        """Makes a key. Asked again it is refused: its secret is not kept, so it cannot be shown twice."""
        scopes = api_keys.check_grant(request.scopes, held=caller.scopes if caller.tenant_id else None)
        new = api_keys.generate(self._random_bytes)

        async def work(rows: Rows) -> ApiKey:
            await tenants.require(rows)
            if await self._repeats.first(rows, request) is not None:
                raise AlreadyExists(
                    "the key was made before; its secret is shown once", metadata={"resource": "api_key"}
                )
            row = ApiKey(
                tenant_id=rows.tenant_id,
                id=rows.new_id(),
                name=request.name,
                prefix=new.prefix,
                hash=new.hash,
                scopes=" ".join(scopes),
                created_at=rows.now,
                expires_at=_future(request, rows.now),
            )
            await rows.add(row)
            await self._repeats.keep(rows, request, answer=b"")
            await rows.note("api_key.create", "api_key", row_id=row.id, scopes=scopes)
            return row

        row = await self._sessions.write(Who(request.tenant_id, caller.name), work)
        return pb.CreateApiKeyResponse(key=mapping.api_key(row), secret=new.secret)

    async def list(self, request: pb.ListApiKeysRequest) -> pb.ListApiKeysResponse:
        async with self._sessions.read(request.tenant_id) as rows:
            found = await rows.all(rows.select(ApiKey).order_by(col(ApiKey.id).desc()).limit(paging.MAX_SIZE))
        return pb.ListApiKeysResponse(keys=map(mapping.api_key, found))

    async def revoke(self, request: pb.RevokeApiKeyRequest, actor: str) -> pb.RevokeApiKeyResponse:
        async def work(rows: Rows) -> pb.RevokeApiKeyResponse:
            row = await rows.named(ApiKey, request.key_id, lock=True)
            before = row.revoked_at is not None
            if not before:
                row.revoked_at = rows.now
                await rows.flush()
                await rows.note("api_key.revoke", "api_key", row_id=row.id)
            return pb.RevokeApiKeyResponse(key=mapping.api_key(row), duplicate=before)

        who = Who(request.tenant_id, actor)
        return await self._repeats.write(who, request, work=work, again=pb.RevokeApiKeyResponse(duplicate=True))

    async def verify(self, secret: str) -> directory.ApiKey:
        """Whose key it is. The same refusal for one that nobody issued, that was revoked and that expired."""
        async with self._sessions.across_tenants() as session:
            row = (await session.exec(select(ApiKey).where(col(ApiKey.hash) == api_keys.hashed(secret)))).first()
        now = self._sessions.now()
        if row is None or not api_keys.matches(secret, row.hash):
            raise CredentialMissing
        if not api_keys.works(now=now, expires_at=row.expires_at, revoked_at=row.revoked_at):
            raise CredentialMissing
        return mapping.api_key(row)


class StoredKeys:
    """Verifies the keys of calls to storage itself, as kit.access.KeyVerifier asks. kit remembers the verdict."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    async def verify(self, secret: str) -> Caller:
        key = await self._keys.verify(secret)
        return Caller(tenant_id=key.tenant_id, scopes=frozenset(key.scopes), name=f"key:{key.id}")


def _future(request: pb.CreateApiKeyRequest, now: datetime) -> datetime | None:
    if not request.HasField("expires_at"):
        return None
    expires_at = moment(request.expires_at)
    if expires_at <= now:
        raise InvalidField([("expires_at", "is in the past")])
    return expires_at
