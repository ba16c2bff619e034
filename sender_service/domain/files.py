"""How does a file of a reply come to a channel? By its URL or in bytes, as the channel takes it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import urlsplit

from channels.channel import Channel, TextLimit
from channels.files import File
from channels.media import Download, Gives, Gone, Links, Way
from channels.rendering import Part, render
from kit.errors import MediaExpired, NotFound, ParleyError
from parley.chat.v1.message_pb2 import Attachment
from parley.storage.v1 import delivery_requests_pb2 as pb
from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from parley.storage.v1.pacing_pb2 import ACCOUNT_SIGN_UNTOUCHED
from sender_service.domain import outcomes, sniffing
from sender_service.domain.fetching import Passing, Reading
from sender_service.domain.outcomes import Outcome

Link = Callable[[str, str], Awaitable[str]]

# A host that is away for a moment; what else is to be said in the chat waits meanwhile.
UNREACHABLE_AGAIN = timedelta(seconds=5)
LONGEST_CAPTION = 1000  # what every provider takes under a file

# Reads stored bytes: tenant and media id. Raises NotFound, or why it could not.
Stored = Callable[[str, str], Awaitable[bytes]]


def parts(leased: LeasedDelivery, channel: Channel, *, limit: TextLimit) -> list[Part]:
    """After the text: one part each, and before it what cannot stand under it. Where none are taken, their links."""
    return [part for each in leased.attachments for part in _parts(each, channel, limit=limit)]


def _parts(attachment: Attachment, channel: Channel, *, limit: TextLimit) -> list[Part]:
    def said(text: str) -> list[Part]:
        return render(text, channel.markup, limit=limit)

    if not isinstance(channel, Gives):
        return said(" ".join(filter(None, (attachment.caption, attachment.url))))
    if attachment.kind in channel.captioned and len(attachment.caption) <= LONGEST_CAPTION:
        return [Part(attachment.caption, file=attachment)]
    return [*said(attachment.caption), Part("", file=attachment)]


@dataclass(frozen=True, slots=True)
class Files:
    """Makes files ready to be given."""

    stored: Stored
    reading: Reading
    most_bytes: int
    within_seconds: float  # to read one
    # A URL under which a provider reads stored bytes for a while; None when it cannot reach us.
    link: Link | None = None

    async def ready(self, attachment: Attachment, *, channel: Channel, tenant_id: str) -> File | Outcome:
        """The file as the channel takes it, or why it cannot be sent now, or ever. Never raises."""
        try:
            async with asyncio.timeout(self.within_seconds):
                return await self._ready(attachment, channel=channel, tenant_id=tenant_id)
        except Gone as gone:
            return _unread(f"file_{gone.reason}")
        except NotFound:
            return _unread("file_not_found")
        except MediaExpired:
            return _unread("file_expired")
        except (Passing, ParleyError, TimeoutError):
            return replace(_unread("file_unreachable"), kind=pb.ATTEMPT_OUTCOME_RETRY, retry_after=UNREACHABLE_AGAIN)

    async def _ready(self, attachment: Attachment, *, channel: Channel, tenant_id: str) -> File:
        takes: tuple[Way, ...] = channel.takes if isinstance(channel, Gives) else ()
        known = File(attachment.kind, attachment.media_type, attachment.file_name, attachment.caption)
        if attachment.url and takes[:1] == ("url",):
            return replace(known, url=attachment.url, size_bytes=attachment.size_bytes)
        if "bytes" not in takes:
            url = await self._linked(attachment, tenant_id)
            if not url:
                raise Gone("needs_url")
            return replace(known, url=url, size_bytes=attachment.size_bytes)
        content = await (self._read(attachment.url) if attachment.url else self.stored(tenant_id, attachment.media_id))
        file = replace(known, media_type=sniffing.type_of(content, stated=attachment.media_type), content=content)
        if isinstance(channel, Links) and channel.links(file):
            return replace(file, url=attachment.url or await self._linked(attachment, tenant_id))
        return file

    async def _linked(self, attachment: Attachment, tenant_id: str) -> str:
        """A link to stored bytes, "" where no provider reaches us."""
        return "" if self.link is None else await self.link(tenant_id, attachment.media_id)

    async def _read(self, url: str) -> bytes:
        """Of whoever asked us to send it: from any host of the open internet, as files of providers are read."""
        host = urlsplit(url).hostname or ""
        async with self.reading.read(Download(url, (host,)), trusted="", most_bytes=self.most_bytes) as chunks:
            return b"".join([chunk async for chunk in chunks])


def _unread(reason: str) -> Outcome:
    """The provider was not called: nothing is learned of it."""
    return replace(outcomes.rejected(reason), sign=ACCOUNT_SIGN_UNTOUCHED)


class _Nowhere:
    """Leads to no file."""

    def read(
        self, download: Download, *, trusted: str, most_bytes: int
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        del download, trusted, most_bytes
        raise Gone("no_reference")


async def _nothing(_tenant_id: str, _media_id: str) -> bytes:
    raise NotFound


# For whoever sends texts only: every file is refused.
NO_FILES = Files(_nothing, _Nowhere(), 0, 1.0)
