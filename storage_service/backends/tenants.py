"""Which tenants are there?"""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from kit.errors import AlreadyExists, InvalidField
from parley.storage.v1 import directory_service_pb2 as pb
from storage_service.backends import mapping
from storage_service.backends.rows import Rows, Who, missing
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import Tenant
from storage_service.domain import names, paging

QUERY = ("tenants",)


class Tenants:
    """The table of tenants: the one that belongs to no tenant."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def create(self, request: pb.CreateTenantRequest, actor: str) -> pb.CreateTenantResponse:
        """Makes a tenant. Its id says whether it was made before: the same id and name is the same request."""
        if not names.is_tenant_id(request.tenant_id):
            raise InvalidField([("tenant_id", "is not lower-case letters, digits and dashes")])

        async def work(session: AsyncSession) -> pb.CreateTenantResponse:
            row = await session.get(Tenant, request.tenant_id)
            if row is not None:
                return _existing(row, request.name)
            now = self._sessions.now()
            row = Tenant(id=request.tenant_id, name=request.name, created_at=now)
            session.add(row)
            await session.flush()
            rows = Rows(session, Who(row.id, actor), now=now, new_id=self._sessions.new_id)
            await rows.note("tenant.create", "tenant", row_id=row.id)
            return pb.CreateTenantResponse(tenant=mapping.tenant(row))

        return await self._sessions.write_across_tenants(work)

    async def list(self, request: pb.ListTenantsRequest) -> pb.ListTenantsResponse:
        most = paging.size(request.page_size)
        statement = select(Tenant).order_by(col(Tenant.id)).limit(most + 1)
        if after := paging.place(request.page_token, [str], query=QUERY):
            statement = statement.where(col(Tenant.id) > after[0])
        async with self._sessions.across_tenants() as session:
            rows = (await session.exec(statement)).all()
        page, following = paging.cut(rows, most, key=lambda row: (row.id,), query=QUERY)
        return pb.ListTenantsResponse(tenants=map(mapping.tenant, page), next_page_token=following)


async def require(rows: Rows) -> None:
    """NotFound when there is no such tenant."""
    if await rows.first(select(Tenant).where(col(Tenant.id) == rows.tenant_id)) is None:
        raise missing("tenant")


def _existing(row: Tenant, name: str) -> pb.CreateTenantResponse:
    if row.name != name:
        raise AlreadyExists("the tenant exists under another name", metadata={"resource": "tenant"})
    return pb.CreateTenantResponse(tenant=mapping.tenant(row), duplicate=True)
