"""Who gets into the sandbox? This machine's page, and the mesh; no other site, by no name."""

import asyncio
import re

import aiohttp
import orjson
import pytest

from sandbox.opening import HOST, base_urls
from sandbox.pages import FOLDER, PATHS
from tests.stalls import SHORT_PATIENCE_SECONDS
from tests.suites.sandbox.conftest import World


def test_it_listens_on_the_loopback_only() -> None:
    assert HOST == "127.0.0.1"


@pytest.mark.parametrize("path", ["/", "/state", "/events", "/telegram/bot1:a/getMe", "/phones/sms/say"])
@pytest.mark.parametrize(
    "headers", [{"host": "sandbox.example:8090"}, {"host": "127.0.0.1.example"}, {"origin": "https://example.com"}]
)
async def test_another_name_or_another_sites_page_is_refused(world: World, path: str, headers: dict[str, str]) -> None:
    async with world.client.get(world.url + path, headers=headers) as answer:
        assert answer.status == 421


@pytest.mark.parametrize("host", ["localhost", "localhost:8090", "127.0.0.1", "[::1]:9"])
async def test_names_of_this_machine_are_let_in(world: World, host: str) -> None:
    async with world.client.get(f"{world.url}/state", headers={"host": host}) as answer:
        assert answer.status == 200


async def test_a_form_of_another_site_types_nothing(world: World) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded"):
        asked = world.client.post(
            f"{world.url}/phones/sms/say", data=b'{"text":"x"}', headers={"content-type": content_type}
        )
        async with asked as answer:
            assert answer.status == 415
    assert world.posted == []


@pytest.mark.parametrize(
    ("channel", "deed", "asked", "status"),
    [
        ("fax", "say", {"text": "x"}, 404),
        ("sms", "say", {"text": " "}, 400),
        ("sms", "say", {"text": "x" * 4097}, 400),
        ("sms", "say", {}, 400),
        ("sms", "fault", {"fault": "window"}, 400),
        ("sms", "fault", {"fault": []}, 400),
        ("sms", "fault", {"fault": "delay", "seconds": 121}, 400),
        ("sms", "fault", {"fault": "delay", "seconds": True}, 400),
        ("sms", "receipt", {"id": "x"}, 400),
        ("sms", "again", {"id": 7}, 400),
        ("sms", "receipts", {"automatic": False}, 200),
        ("sms", "person", {}, 200),
    ],
)
async def test_what_makes_no_sense_is_refused(
    world: World, channel: str, deed: str, asked: dict[str, object], status: int
) -> None:
    assert await world.do(channel, deed, **asked) == status


async def test_a_body_that_is_no_object_is_refused(world: World) -> None:
    for body in (b"", b"[]", b"{"):
        asked = world.client.post(
            f"{world.url}/phones/sms/say", data=body, headers={"content-type": "application/json"}
        )
        async with asked as answer:
            assert answer.status == 400


@pytest.mark.parametrize("path", PATHS)
async def test_every_file_of_the_page_comes_under_a_strict_policy(world: World, path: str) -> None:
    async with world.client.get(world.url + path) as answer:
        assert answer.status == 200
        policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_the_page_writes_no_markup_and_has_no_style_or_script_of_its_own() -> None:
    scripts = "".join(file.read_text() for file in FOLDER.glob("*.js"))
    page = (FOLDER / "index.html").read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", scripts)
    assert not re.search(r"<style|style=|\bon\w+=|<script>|https?://", page)
    assert "Parley sandbox" in page


def test_files_of_the_page_are_short() -> None:
    assert [file.name for file in FOLDER.iterdir() if len(file.read_text().splitlines()) > 300] == []


async def test_an_open_page_hears_of_every_change(world: World) -> None:
    async with world.client.get(f"{world.url}/events") as stream:
        assert await _phone(stream) == ("none", [])
        await world.do("telegram", "fault", fault="lost")
        assert await _phone(stream) == ("lost", [])
        await world.do("telegram", "say", text="hello")
        while await _phone(stream) != ("lost", [("hello", "heard")]):
            pass


async def test_a_provider_without_a_stand_in_is_not_called_for_real(world: World) -> None:
    assert all(url.startswith("http://127.0.0.1:9/") for url in base_urls(9).values())
    async with world.client.post(f"{world.url}/nobody/send", json={}) as answer:
        assert answer.status == 404


async def test_a_lost_answer_is_a_connection_that_ends(world: World) -> None:
    await world.do("telegram", "say", text="hello")
    await world.do("telegram", "fault", fault="lost")
    url = f"{world.url}/telegram/bot{world.values['TELEGRAM_BOT_TOKEN']}/sendMessage"
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await world.client.post(url, json={"chat_id": 4_711_001, "text": "the answer"})


async def _phone(stream: aiohttp.ClientResponse) -> tuple[str, list[tuple[str, str]]]:
    """The Telegram phone of the next event: what goes wrong, and its messages."""
    async with asyncio.timeout(SHORT_PATIENCE_SECONDS):
        line = await stream.content.readuntil(b"\n\n")
    phones = {each["channel"]: each for each in orjson.loads(line.removeprefix(b"data: "))}
    phone = phones["telegram"]
    return phone["fault"], [(each["text"], each["state"]) for each in phone["bubbles"]]
