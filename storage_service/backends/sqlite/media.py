"""Which attachments may be fetched, and where are their bytes, on SQLite? Its one writer needs no locks."""

from collections.abc import Callable, Sequence
from datetime import datetime
from sqlite3 import Cursor
from typing import Any

from parley.storage.v1.media_service_pb2 import AppendMediaRequest
from storage_service.backends.sqlite.reading import maybe, reader
from storage_service.backends.tables.columns import to_micros
from storage_service.backends.written import MEDIA
from storage_service.domain.media import Media
from storage_service.domain.rows import Key

_media = reader(Media, MEDIA)


class SqliteMedia:
    """The media within one transaction."""

    def __init__(self, run: Callable[[str, Sequence[Any]], Cursor], *, now: datetime) -> None:
        self._run = run
        self._now = now

    async def ready(self, most: int) -> Sequence[Media]:
        return [_media(row) for row in self._run("ready_fetches", (to_micros(self._now), most))]

    async def next_due(self) -> datetime | None:
        return maybe(self._run("next_fetch", ()).fetchone()[0])

    async def find(self, key: Key) -> Media | None:
        row = self._run("media_of", key).fetchone()
        return _media(row) if row else None

    async def open_of(self, conversation: Key) -> Sequence[Media]:
        return [_media(row) for row in self._run("open_media", conversation)]

    async def attachments(self, message: Key) -> str | None:
        row = self._run("attachments", message).fetchone()
        return row[0] if row else None

    async def append(self, request: AppendMediaRequest) -> bool:
        held = (request.tenant_id, request.media_id, request.worker_id, request.epoch, to_micros(self._now))
        if not self._run("hold_media", held).rowcount:
            return False
        self._run("add_piece", (request.tenant_id, request.media_id, request.number, request.content))
        return True

    async def pieces(self, key: Key, *, below: int) -> int:
        return int(self._run("count_pieces", (*key, below)).fetchone()[0])

    async def trim(self, key: Key, *, to: int) -> None:
        self._run("trim_pieces", (*key, to))

    async def old(self, before: datetime, most: int) -> Sequence[Media]:
        return [_media(row) for row in self._run("old_media", (to_micros(before), most))]
