"""Which attachments may be fetched, and where are their bytes, on Postgres?

A piece is written under the lock of its row: an erasure deletes the row first, and then finds every piece of it.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from parley.storage.v1.media_service_pb2 import AppendMediaRequest
from storage_service.domain.media import Media
from storage_service.domain.rows import Key


class PostgresMedia:
    """The media within one transaction."""

    def __init__(
        self,
        begin: Callable[[], Awaitable[None]],
        fetch: Callable[..., Awaitable[Sequence[Any]]],
        *,
        now: datetime,
    ) -> None:
        self._begin = begin
        self._fetch = fetch
        self._now = now

    async def ready(self, most: int) -> Sequence[Media]:
        await self._begin()
        return [Media(*row) for row in await self._fetch("ready_fetches", self._now, most)]

    async def next_due(self) -> datetime | None:
        (row,) = await self._fetch("next_fetch")
        due_at: datetime | None = row[0]
        return due_at

    async def find(self, key: Key) -> Media | None:
        await self._begin()
        found = await self._fetch("media_of", *key)
        return Media(*found[0]) if found else None

    async def open_of(self, conversation: Key) -> Sequence[Media]:
        return [Media(*row) for row in await self._fetch("open_media", *conversation)]

    async def attachments(self, message: Key) -> str | None:
        found = await self._fetch("attachments", *message)
        return found[0][0] if found else None

    async def append(self, request: AppendMediaRequest) -> bool:
        await self._begin()
        held = (request.tenant_id, request.media_id, request.worker_id, request.epoch, self._now)
        return bool(await self._fetch("add_piece", *held, request.number, request.content))

    async def pieces(self, key: Key, *, below: int) -> int:
        (row,) = await self._fetch("count_pieces", *key, below)
        return int(row[0])

    async def trim(self, key: Key, *, to: int) -> None:
        await self._begin()
        await self._fetch("trim_pieces", *key, to)

    async def old(self, before: datetime, most: int) -> Sequence[Media]:
        await self._begin()
        return [Media(*row) for row in await self._fetch("old_media", before, most)]
