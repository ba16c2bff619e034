"""How long is a client borne that does not get on with it?"""

import asyncio
import logging
import time
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path

import pytest

from gateway.settings import Settings
from tests.suites.gateway import raw
from tests.suites.gateway.conftest import World, running

HEAD = b"POST /webhook/sms/sms-key HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
SECONDS = 1.0  # the deadline of these tests


def headers() -> Iterator[bytes]:
    return chain([HEAD], repeat(b"a: b\r\n"))


def body() -> Iterator[bytes]:
    return chain([HEAD, b"Content-Length: 1000\r\n\r\n"], repeat(b"x"))


def chunks() -> Iterator[bytes]:
    return chain([HEAD, b"Transfer-Encoding: chunked\r\n\r\n"], repeat(b"1\r\nx\r\n"))


def trailers() -> Iterator[bytes]:
    return chain([HEAD, b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"], repeat(b"a: b\r\n"))


def nothing() -> Iterator[bytes]:
    return repeat(b"")


def line_ends() -> Iterator[bytes]:
    return repeat(b"\r\n")


def second_request() -> Iterator[bytes]:
    return chain([b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /healthz HTTP/1.1\r\n"], repeat(b"a: b\r\n"))


async def test_a_client_that_drips_is_closed_when_its_time_is_up(tmp_path: Path) -> None:
    kinds = [headers, body, chunks, trailers, nothing, line_ends, second_request]
    async with running(tmp_path, http_receive_seconds=SECONDS) as world:
        borne = await asyncio.gather(*(raw.held(world.port, drips(), pause=0.1) for drips in kinds))
        too_long = {kind.__name__: seconds for kind, seconds in zip(kinds, borne, strict=True) if seconds > SECONDS + 1}
        assert not too_long
        assert min(borne) > SECONDS / 2
        assert not world.peer.submissions


async def test_hundreds_that_drip_hold_nobody_up_and_fill_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.WARNING)
    async with running(tmp_path, http_receive_seconds=SECONDS) as world:
        alone = await _answered(world)
        dripping = [asyncio.create_task(raw.held(world.port, drips(), pause=0.3)) for drips in [headers, body] * 150]
        await asyncio.sleep(0.3)
        beside = await _answered(world)
        capfd.readouterr()
        borne = await asyncio.gather(*dripping)
        assert max(borne) < SECONDS + 2
        assert beside < max(0.1, 10 * alone)  # the machine may be busy without them
        said = capfd.readouterr()
        assert len((said.out + said.err).splitlines()) < 10
    assert len(caplog.records) < 10


async def _answered(world: World) -> float:
    """How long half of the webhooks take at most, in seconds."""
    took = []
    for number in range(20):
        began = time.monotonic()
        assert (await world.post(world.webhook("sms", str(number)))).status_code == 200
        took.append(time.monotonic() - began)
    return sorted(took)[10]


def test_off_the_shelf_nobody_is_borne_for_ten_seconds() -> None:
    assert Settings().http_receive_seconds < 10


async def test_a_connection_without_a_request_is_kept_as_long_as_set_and_no_longer(tmp_path: Path) -> None:
    """Not shorter: a proxy would meet one that closes as it is used."""
    async with running(tmp_path, http_keep_alive_seconds=2, http_receive_seconds=SECONDS) as world:
        borne = await raw.held(
            world.port, chain([b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"], repeat(b"", 50)), pause=0.1
        )
        assert 2 <= borne < 4
