"""Was this asked before? The same request id gets the first answer; with other content it is refused.

The answer is written in the transaction that made the change, so neither exists without the other. Only keyed hashes of
requests are kept, because a request may carry credentials.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from google.protobuf.message import Message
from sqlmodel import col

from kit.errors import AlreadyExists
from storage_service.backends.rows import Rows, Who
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import Request
from storage_service.domain.sealing import Keyring

Answer = TypeVar("Answer", bound=Message)


class Repeats:
    """Changes that happen once per request id."""

    def __init__(self, sessions: Sessions, keyring: Keyring) -> None:
        self._sessions = sessions
        self._keyring = keyring

    async def write(
        self, who: Who, request: Message, *, work: Callable[[Rows], Awaitable[Answer]], again: Answer
    ) -> Answer:
        """Does the work in one transaction. Was it done before, gives the first answer on top of `again`."""

        async def once(rows: Rows) -> Answer:
            first = await self.first(rows, request)
            if first is not None:
                again.MergeFromString(first)
                return again
            done = await work(rows)
            await self.keep(rows, request, answer=done.SerializeToString())
            return done

        return await self._sessions.write(who, once)

    async def first(self, rows: Rows, request: Message) -> bytes | None:
        """The first answer to this request id; None when it is new. AlreadyExists when the content differs."""
        rpc, request_id = _named(request)
        asked = rows.select(Request).where(col(Request.rpc) == rpc, col(Request.request_id) == request_id)
        row = await rows.first(asked)
        if row is None:
            return None
        if row.digest not in self._digests(request):
            raise AlreadyExists("the request id was used for something different", metadata={"resource": "request"})
        return row.response

    async def keep(self, rows: Rows, request: Message, *, answer: bytes) -> None:
        """Remembers the answer. It must hold no secret, and nothing that names a contact."""
        rpc, request_id = _named(request)
        row = Request(
            tenant_id=rows.tenant_id,
            rpc=rpc,
            request_id=request_id,
            digest=self._digests(request)[0],
            response=answer,
            created_at=rows.now,
        )
        await rows.add(row)

    def _digests(self, request: Message) -> list[bytes]:
        return self._keyring.fingerprints("request", request.SerializeToString(deterministic=True))


def _named(request: Message) -> tuple[str, str]:
    fields: dict[str, object] = {field.name: value for field, value in request.ListFields()}
    return request.DESCRIPTOR.name.removesuffix("Request"), str(fields["request_id"])
