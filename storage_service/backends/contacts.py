"""Which people does a tenant know, and where from?"""

from collections import defaultdict
from collections.abc import Sequence

from sqlmodel import col

from parley.storage.v1 import directory_requests_pb2 as pb
from storage_service.backends import mapping
from storage_service.backends.rows import Rows
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import Contact, Identity
from storage_service.domain import paging


class Contacts:
    """The contacts of tenants. One that was erased is nobody any more and is not listed."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def list(self, request: pb.ListContactsRequest) -> pb.ListContactsResponse:
        query = (request.tenant_id, "contacts")
        most = paging.size(request.page_size)
        async with self._sessions.read(request.tenant_id) as rows:
            known = rows.select(Contact).where(col(Contact.erased_at).is_(None))
            if before := paging.place(request.page_token, [str], query=query):
                known = known.where(col(Contact.id) < before[0])
            found = await rows.all(known.order_by(col(Contact.id).desc()).limit(most + 1))
            page, following = paging.cut(found, most, key=lambda row: (row.id,), query=query)
            identities = await _identities(rows, [contact.id for contact in page])
        shown = [mapping.contact(contact, identities[contact.id]) for contact in page]
        return pb.ListContactsResponse(contacts=shown, next_page_token=following)


async def _identities(rows: Rows, contact_ids: Sequence[str]) -> dict[str, list[Identity]]:
    of_contact: dict[str, list[Identity]] = defaultdict(list)
    for identity in await rows.all(rows.select(Identity).where(col(Identity.contact_id).in_(contact_ids))):
        of_contact[identity.contact_id].append(identity)
    return of_contact
