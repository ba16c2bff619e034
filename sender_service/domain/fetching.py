"""How is one attachment fetched? Found by its channel, read within bounds, looked at, and stored piece by piece.

However it goes, it ends: stored, to be tried again, or unavailable with a word why. Nothing here raises but what
storage says, since no attachment may keep anybody from an answer.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from channels.channel import (
    Answer,
    Call,
    Channel,
    Credentials,
    DeliveryError,
    Rejected,
    Throttled,
    Unauthorized,
)
from channels.media import Download, Gone, Keeps, Wanted
from kit import correlation, logs, metrics, tracing
from kit.errors import LeaseLost, ParleyError
from parley.storage.v1 import media_service_pb2 as pb
from parley.storage.v1.directory_pb2 import AccountSecrets
from sender_service.domain import flows, sniffing
from sender_service.domain.addresses import Addresses
from sender_service.domain.parts import Provider

PIECE_BYTES = 256 * 1024  # the contract's

log = logs.get("media")


class Passing(Exception):
    """It did not work this time: nobody answered, or the provider is in trouble. `reason` is a word."""

    def __init__(self, reason: str, *, retry_after: timedelta | None = None) -> None:
        """`reason`: "unreachable", "provider_error", "throttled" …; `retry_after` is what the provider asks for."""
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after


class Reading(Protocol):
    """The way to files."""

    def read(
        self, download: Download, *, trusted: str, most_bytes: int
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes as they come. Raises Gone or Passing."""


class Storing(Protocol):
    """Where the bytes go. Both raise LeaseLost when the fetch is not ours any more."""

    async def append(self, fetch: pb.LeasedFetch, number: int, *, content: bytes) -> None: ...
    async def end(self, fetch: pb.LeasedFetch, end: "End") -> None: ...


@dataclass(frozen=True, slots=True)
class End:
    """How a fetch ended."""

    outcome: pb.FetchOutcome
    reason: str = ""
    retry_after: timedelta | None = None
    media_type: str = ""
    size_bytes: int = 0
    pieces: int = 0
    sha256: bytes = b""
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a fetch may take."""

    most_bytes: int
    within_seconds: float  # one try, from the first call to the last byte
    most_attempts: int


@dataclass(frozen=True, slots=True)
class Load:
    """One leased fetch, and the account that its message came to."""

    fetch: pb.LeasedFetch
    secrets: AccountSecrets


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches attachments. Holds nothing of its own between two of them."""

    channels: Mapping[str, Channel]
    provider: Provider
    reading: Reading
    storing: Storing
    addresses: Addresses
    bounds: Bounds
    random: Callable[[], float]

    async def fetch(self, load: Load, stopping: asyncio.Event) -> None:
        """Brings it as far as it gets now. Never raises but when it is cancelled."""
        fetch, channel = load.fetch, load.secrets.account.channel
        correlation.bind(fetch.correlation_id, tenant=fetch.tenant_id)
        with tracing.linked_span("fetch", fetch.traceparent, channel=channel):
            try:
                end = End(pb.FETCH_OUTCOME_RELEASED) if stopping.is_set() else await self._tried(load)
                await self.storing.end(fetch, end)
            except LeaseLost:
                log.warning("media.lease_lost", media_id=fetch.media_id, epoch=fetch.epoch)
                return
            except ParleyError as error:
                # Nothing more can be said to storage: the lease ends by its own clock, and it is tried again.
                log.error("media.unrecorded", media_id=fetch.media_id, error_reason=error.name)
                return
        self._tell(load, end)

    async def _tried(self, load: Load) -> End:
        try:
            async with asyncio.timeout(self.bounds.within_seconds):
                return await self._stored(load)
        except TimeoutError:
            return self._again(load, Passing("timeout"))
        except Passing as trouble:
            return self._again(load, trouble)
        except Gone as gone:
            return End(pb.FETCH_OUTCOME_UNAVAILABLE, gone.reason)
        except (ParleyError, asyncio.CancelledError):
            raise
        except Exception as error:  # channel code is foreign, and so are the bytes: it fails closed
            log.error("media.fault", channel=load.secrets.account.channel, exc_info=error)
            return End(pb.FETCH_OUTCOME_UNAVAILABLE, "channel_fault")

    def _again(self, load: Load, trouble: Passing) -> End:
        """With full jitter under 1, 2, 4 s, and not before the provider says; after the last try it is given up."""
        if load.fetch.attempts + 1 >= self.bounds.most_attempts:
            return End(pb.FETCH_OUTCOME_UNAVAILABLE, trouble.reason)
        pause = timedelta(seconds=self.random() * 2.0**load.fetch.attempts)
        after = min((trouble.retry_after or timedelta()) + pause, timedelta(hours=1))
        return End(pb.FETCH_OUTCOME_RETRY, trouble.reason, retry_after=after)

    async def _stored(self, load: Load) -> End:
        account = load.secrets.account
        channel = self.channels.get(account.channel)
        if not isinstance(channel, Keeps):
            raise Gone("not_supported")
        if load.fetch.attachment.size_bytes > self.bounds.most_bytes:
            raise Gone("too_large")
        base_url = self.addresses.api_base_url(channel)
        wanted = Wanted(load.fetch.attachment, account.address, base_url, account.options)
        download = await _found(channel, wanted, credentials=Credentials(load.secrets.credentials), ask=self._ask)
        most = self.bounds.most_bytes
        async with self.reading.read(download, trusted=base_url, most_bytes=most) as chunks:
            return await self._kept(load.fetch, chunks, sha256=download.sha256)

    async def _kept(self, fetch: pb.LeasedFetch, chunks: AsyncIterator[bytes], *, sha256: str) -> End:
        """Nothing is stored before it was seen to be what it says."""
        end, digest = End(pb.FETCH_OUTCOME_STORED), hashlib.sha256()
        async for piece in _pieces(chunks):
            if not end.pieces:
                end = _seen(end, fetch, head=piece)
            digest.update(piece)
            await self.storing.append(fetch, end.pieces, content=piece)
            end = replace(end, pieces=end.pieces + 1, size_bytes=end.size_bytes + len(piece))
        if not end.pieces:
            raise Gone("empty")
        if sha256 and digest.hexdigest() != sha256:
            raise Passing("damaged")
        return replace(end, sha256=digest.digest())

    async def _ask(self, call: Call) -> Answer:
        return await self.provider(call, call.timeout_seconds)

    def _tell(self, load: Load, end: End) -> None:
        outcome = pb.FetchOutcome.Name(end.outcome).removeprefix("FETCH_OUTCOME_").lower()
        channel = load.secrets.account.channel
        metrics.media_fetches.labels(channel=channel, outcome=outcome).inc()
        log.info(
            "media.fetched",
            media_id=load.fetch.media_id,
            channel=channel,
            outcome=outcome,
            reason=end.reason,
            attempt=load.fetch.attempts + 1,
            size_bytes=end.size_bytes,
        )


def _seen(end: End, fetch: pb.LeasedFetch, *, head: bytes) -> End:
    media_type = sniffing.type_of(head, stated=fetch.attachment.media_type)
    if not sniffing.is_what_it_says(fetch.attachment, media_type):
        raise Gone("wrong_type")
    return replace(end, media_type=media_type, excerpt=sniffing.excerpt(head, media_type))


async def _found(channel: Keeps, wanted: Wanted, *, credentials: Credentials, ask: flows.Ask) -> Download:
    """Runs the channel's `fetch`. To ask where a file is changes nothing: whatever was lost may be asked again."""
    try:
        return await flows.run(channel.fetch(wanted, credentials), ask)
    except Throttled as error:
        raise Passing("throttled", retry_after=error.retry_after) from None
    except Unauthorized:
        raise Gone("unauthorized") from None
    except Rejected:
        raise Gone("not_found") from None
    except DeliveryError:
        raise Passing("unreachable") from None


async def _pieces(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes, as large as one piece may be."""
    pending = bytearray()
    async for chunk in chunks:
        pending += chunk
        while len(pending) >= PIECE_BYTES:
            yield bytes(pending[:PIECE_BYTES])
            del pending[:PIECE_BYTES]
    if pending:
        yield bytes(pending)
