"""How long is a client borne that does not get on with it?"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path

import pytest

from tests.suites.gateway import raw
from tests.suites.gateway.conftest import World, running

HEAD = b"POST /webhook/sms/sms-key HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
SECONDS = 2.0  # the deadline of these tests; the setting's default is 8


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


@pytest.mark.parametrize("drips", [headers, body, chunks, trailers, nothing, line_ends, second_request])
async def test_a_client_that_drips_is_closed_when_its_time_is_up(
    tmp_path: Path, drips: Callable[[], Iterator[bytes]]
) -> None:
    async with running(tmp_path, http_receive_seconds=SECONDS) as world:
        borne = await asyncio.wait_for(raw.held(world.port, drips(), pause=0.1), 10)
        assert borne < SECONDS + 1
        assert not world.peer.submissions


async def test_hundreds_that_drip_hold_nobody_up_and_fill_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.WARNING)
    async with running(tmp_path, http_receive_seconds=SECONDS) as world:
        dripping = [asyncio.create_task(raw.held(world.port, drips(), pause=0.5)) for drips in [headers, body] * 150]
        await asyncio.sleep(0.3)
        took = []
        for number in range(20):
            began = time.monotonic()
            assert (await world.post(world.webhook("sms", str(number)))).status_code == 200
            took.append(time.monotonic() - began)
        capfd.readouterr()
        borne = await asyncio.gather(*dripping)
        assert max(borne) < SECONDS + 2
        assert sorted(took)[10] < 0.1
        said = capfd.readouterr()
        assert len((said.out + said.err).splitlines()) < 10
    assert len(caplog.records) < 10


async def test_the_default_deadline_is_below_ten_seconds(world: World) -> None:
    borne = await asyncio.wait_for(raw.held(world.port, body(), pause=0.5), 10)
    assert 5 < borne < 10
