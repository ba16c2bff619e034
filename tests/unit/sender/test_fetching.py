"""How does one fetch end, whatever the provider and the bytes do? Each way is a word, and nothing is raised."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from channels.channel import Answer, Call, Credentials, Throttled, Unauthorized, Unknown
from channels.media import Download, Finding, Gone, Wanted
from kit.errors import LeaseLost, ParleyError, StorageUnavailable
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import media_service_pb2 as pb
from parley.storage.v1.directory_pb2 import AccountSecrets, ChannelAccount
from sender_service.domain.addresses import Addresses
from sender_service.domain.fetching import PIECE_BYTES, Bounds, End, Fetcher, Load, Passing

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(40)
PICTURE = chat.Attachment(kind=chat.ATTACHMENT_KIND_IMAGE, url="https://x/1", media_type="image/png")


@dataclass
class World:
    """A channel, a provider, a way to files and a storage, all in one."""

    chunks: Sequence[bytes] = (PNG,)
    trouble: Exception | None = None  # of the way to the file
    call_trouble: Exception | None = None
    download: Download = Download("https://x/1", ("x",))  # noqa: RUF009 - frozen
    storage_trouble: ParleyError | None = None
    kept: dict[int, bytes] = field(default_factory=dict)
    ends: list[End] = field(default_factory=list)
    provider = ""
    hang: bool = False

    def fetch(self, _wanted: Wanted, _credentials: Credentials) -> Finding:
        yield Call("GET", "https://x", {}, b"", 5)
        return self.download

    async def call(self, _call: Call, _within: float) -> Answer:
        if self.call_trouble:
            raise self.call_trouble
        return Answer(200, {}, b"")

    @asynccontextmanager
    async def read(self, _download: Download, *, trusted: str, most_bytes: int) -> AsyncIterator[AsyncIterator[bytes]]:
        del trusted, most_bytes
        if self.trouble:
            raise self.trouble
        yield self._chunks()

    async def _chunks(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
        if self.hang:
            await asyncio.Event().wait()

    async def append(self, _fetch: pb.LeasedFetch, number: int, *, content: bytes) -> None:
        if self.storage_trouble:
            raise self.storage_trouble
        self.kept[number] = content

    async def end(self, _fetch: pb.LeasedFetch, end: End) -> None:
        self.ends.append(end)


async def fetch(
    world: World, attachment: chat.Attachment = PICTURE, *, attempts: int = 0, channel: str = "known", **bounds: Any
) -> End | None:
    channels: Any = {"known": world, "silent": object()}
    fetcher = Fetcher(
        channels=channels,
        provider=world.call,
        reading=world,
        storing=world,
        addresses=Addresses("", {}),
        bounds=Bounds(**{"most_bytes": 1_000_000, "within_seconds": 30.0, "most_attempts": 3, **bounds}),
        random=lambda: 0.5,
    )
    load = Load(
        pb.LeasedFetch(media_id="m", attachment=attachment, attempts=attempts),
        AccountSecrets(account=ChannelAccount(channel=channel)),
    )
    await fetcher.fetch(load, asyncio.Event())
    return world.ends[0] if world.ends else None


async def test_a_file_is_stored_whole_in_pieces_with_its_own_type_and_digest() -> None:
    body = PNG + bytes(2 * PIECE_BYTES)
    world = World(chunks=[body[i : i + 100_000] for i in range(0, len(body), 100_000)])
    end = await fetch(world)
    assert end is not None
    assert b"".join(world.kept[number] for number in sorted(world.kept)) == body
    assert {len(piece) for piece in list(world.kept.values())[:-1]} == {PIECE_BYTES}
    assert (end.outcome, end.media_type, end.size_bytes, end.pieces) == (
        pb.FETCH_OUTCOME_STORED, "image/png", len(body), 3
    )  # fmt: skip
    assert end.sha256 == hashlib.sha256(body).digest()


@pytest.mark.parametrize(
    ("world", "reason"),
    [
        (World(trouble=Gone("refused_address")), "refused_address"),
        (World(trouble=Gone("too_large")), "too_large"),
        (World(call_trouble=Unauthorized()), "unauthorized"),
        (World(chunks=[]), "empty"),
        (World(chunks=[b"<!doctype html><title>Sign in</title>"]), "wrong_type"),
        (World(chunks=[b"PK\x03\x04" + bytes(50)]), "wrong_type"),
        (World(chunks=[bytes(range(256))]), "wrong_type"),
        (World(trouble=KeyError("a fault of ours")), "channel_fault"),
    ],
)
async def test_what_cannot_be_had_is_unavailable_and_nothing_of_it_is_stored(world: World, reason: str) -> None:
    end = await fetch(world)
    assert end == End(pb.FETCH_OUTCOME_UNAVAILABLE, reason)
    assert world.kept == {}


async def test_a_channel_that_keeps_no_files_says_so() -> None:
    world = World()
    assert await fetch(world, channel="silent") == End(pb.FETCH_OUTCOME_UNAVAILABLE, "not_supported")


async def test_what_says_itself_that_it_is_too_large_is_not_asked_for() -> None:
    world = World(call_trouble=AssertionError("asked"))
    attachment = chat.Attachment(kind=chat.ATTACHMENT_KIND_FILE, url="https://x", size_bytes=2_000_000)
    assert await fetch(world, attachment) == End(pb.FETCH_OUTCOME_UNAVAILABLE, "too_large")


@pytest.mark.parametrize(
    ("world", "reason", "after"),
    [
        (World(trouble=Passing("unreachable")), "unreachable", 0.5),
        (World(call_trouble=Unknown()), "unreachable", 0.5),
        (World(call_trouble=Throttled(retry_after=timedelta(seconds=7))), "throttled", 7.5),
    ],
)
async def test_what_may_work_later_is_tried_again_and_not_before_the_provider_says(
    world: World, reason: str, after: float
) -> None:
    end = await fetch(world)
    assert end == End(pb.FETCH_OUTCOME_RETRY, reason, retry_after=timedelta(seconds=after))


async def test_after_the_last_try_it_is_given_up() -> None:
    world = World(trouble=Passing("unreachable"))
    assert await fetch(world, attempts=2) == End(pb.FETCH_OUTCOME_UNAVAILABLE, "unreachable")


async def test_a_body_that_never_ends_takes_no_longer_than_it_may() -> None:
    world = World(hang=True)
    end = await fetch(world, within_seconds=0.05)
    assert end is not None
    assert (end.outcome, end.reason) == (pb.FETCH_OUTCOME_RETRY, "timeout")


async def test_bytes_that_are_not_those_that_the_provider_meant_are_not_kept() -> None:
    world = World(download=Download("https://x/1", ("x",), sha256="0" * 64))
    end = await fetch(world)
    assert end is not None
    assert (end.outcome, end.reason) == (pb.FETCH_OUTCOME_RETRY, "damaged")


@pytest.mark.parametrize("trouble", [LeaseLost(), StorageUnavailable(retry_after=timedelta(seconds=1))])
async def test_what_storage_does_not_take_any_more_is_left_alone(trouble: ParleyError) -> None:
    assert await fetch(World(storage_trouble=trouble)) is None


async def test_a_text_brings_its_beginning() -> None:
    attachment = chat.Attachment(kind=chat.ATTACHMENT_KIND_FILE, url="https://x", media_type="text/csv")
    end = await fetch(World(chunks=[b"a,b\n1,2\n"]), attachment)
    assert end is not None
    assert (end.media_type, end.excerpt) == ("text/csv", "a,b\n1,2\n")
