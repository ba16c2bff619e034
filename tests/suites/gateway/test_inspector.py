"""Does who runs the gateway see each webhook that came in, why it was refused, and may they play it once more?"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from channels.channel import Credentials, Imitation, Webhook
from channels.meta_webhook import HEADER, sign
from channels.registry import CHANNELS
from kit.credentials import inspector_token, mesh_token
from tests.suites.gateway.conftest import ADDRESSES, CREDENTIALS, SENDERS, World, running
from tests.suites.gateway.test_webhooks import PROVIDERS

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def _inspected(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with running(tmp_path_factory.mktemp("inspected"), webhook_inspector="on") as started:
        yield started


@pytest.fixture
def world(_inspected: World) -> World:
    """One for all tests of the module; each looks at what came in since it began."""
    _inspected.peer.submissions.clear()
    return _inspected


def key(world: World) -> dict[str, str]:
    return {"authorization": f"Bearer {inspector_token(mesh_token(world.settings))}"}


async def seen(world: World, arrival_id: str, **query: Any) -> dict[str, Any]:
    answer = await world.client.get(f"/v1/inspector/arrivals/{arrival_id}", params=query, headers=key(world))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def posted(world: World, webhook: Webhook, **headers: str) -> dict[str, Any]:
    """What the inspector says of it."""
    port = f"http://127.0.0.1:{world.port}"
    url = port + webhook.url[webhook.url.index("/webhook/") :]
    sent = {name: value for name, value in {**webhook.headers, **headers}.items() if value}
    answer = await world.client.request(webhook.method, url, content=webhook.body, headers=sent)
    return await seen(world, answer.headers["x-request-id"])


def signed(world: World, channel: str, url: str = "", **change: Any) -> Webhook:
    """What the provider would post to that URL, with other credentials or at another time where `change` says so."""
    account = world.peer.accounts[f"{channel}/{ADDRESSES[channel]}"].account
    imitation = Imitation(
        text="what nobody may read",
        sender=SENDERS[channel],
        address=ADDRESSES[channel],
        url=url or f"http://127.0.0.1:{world.port}/webhook/{channel}/{account.account_key}",
        message_id="SM" + "1" * 32 if channel in ("sms", "whatsapp") else "424242",
        now=change.pop("now", datetime.now(UTC)),
    )
    return CHANNELS[channel].imitate(imitation, Credentials({**CREDENTIALS[channel], **change}))


@pytest.mark.parametrize("channel", PROVIDERS)
async def test_a_good_webhook_is_listed_and_its_second_copy_is_called_one(world: World, channel: str) -> None:
    webhook = world.webhook(channel, "hello")
    first, second = await posted(world, webhook), await posted(world, webhook)
    assert (first["result"], first["status"], first["messages"], first["fix"]) == ("accepted", 200, 1, "")
    assert (second["result"], second["status"]) == ("duplicate", 200)
    assert second["stored"][0]["message_id"] == first["stored"][0]["message_id"]


@pytest.mark.parametrize(
    ("signed_url", "fix"),
    [
        ("https://127.0.0.1:PORT/webhook/sms/sms-key", "set PUBLIC_BASE_URL=https://127.0.0.1:PORT"),
        ("https://chat.example.com/webhook/sms/sms-key", "set PUBLIC_BASE_URL=https://chat.example.com"),
        ("https://chat.example.com/parley/webhook/sms/sms-key", "set PUBLIC_BASE_URL=https://chat.example.com/parley"),
        ("http://127.0.0.1:PORT/webhook/sms/sms-key/", "enter http://127.0.0.1:PORT/webhook/sms/sms-key at Twilio"),
        ("http://127.0.0.1:PORT/webhook/sms", "enter http://127.0.0.1:PORT/webhook/sms/sms-key at Twilio"),
    ],
)
async def test_a_signature_over_another_url_is_found_out_and_the_setting_named(
    world: World, signed_url: str, fix: str
) -> None:
    url = signed_url.replace("PORT", str(world.port))
    webhook = replace(signed(world, "sms", url), url="http://x/webhook/sms/sms-key")
    through = {"x-forwarded-host": "chat.example.com", "x-forwarded-prefix": "/parley"}
    row = await posted(world, webhook, **through)
    assert (row["status"], row["reason"]) == (401, "signature")
    assert f"Twilio signed {url}" in row["found"]
    assert row["found"].startswith(f"computed over http://127.0.0.1:{world.port}/webhook/sms/sms-key")
    assert row["fix"].startswith(fix.replace("PORT", str(world.port)))


@pytest.mark.parametrize("channel", ["whatsapp", "sms", "telegram", "slack", "whatsapp_cloud", "instagram"])
async def test_a_wrong_secret_is_told_from_a_missing_proof(world: World, channel: str) -> None:
    [field] = [each for each in CHANNELS[channel].credential_fields if each.verifies and each.name != "verify_token"]
    wrong = await posted(world, signed(world, channel, **{field.name: "f" * 32}))
    assert (wrong["status"], wrong["reason"]) == (401, "signature")
    assert field.name in wrong["found"]
    assert "parley channels add" in wrong["fix"]
    proofs = {name: "" for name in signed(world, channel).headers if name.startswith("x-")}
    bare = await posted(world, signed(world, channel), **proofs)
    assert (bare["status"], bare["reason"]) == (401, "unsigned")
    assert any(name in bare["found"] for name in proofs)


@pytest.mark.parametrize("channel", ["slack", "discord"])
@pytest.mark.parametrize(("minutes", "said"), [(-30, "after ours"), (30, "before ours")])
async def test_a_stale_proof_says_by_how_much_and_which_way_the_clocks_differ(
    world: World, channel: str, minutes: int, said: str
) -> None:
    row = await posted(world, signed(world, channel, now=datetime.now(UTC) - timedelta(minutes=minutes)))
    assert (row["status"], row["reason"]) == (401, "stale")
    assert said in row["found"]
    assert "25 minutes" in row["found"] or "30 minutes" in row["found"]
    assert "clock" in row["fix"]


async def test_a_webhook_signed_for_another_account_is_told_its_url(world: World) -> None:
    other = {**CREDENTIALS["sms"], "auth_token": "another-token-0123456789abcdef"}
    world.peer.add_account("sms", "+14155550999", credentials=other, key="other-key")
    row = await posted(world, signed(world, "sms", auth_token=other["auth_token"]))
    assert "signed for another account, that of …0999" in row["found"]
    assert f"http://127.0.0.1:{world.port}/webhook/sms/other-key" in row["fix"]
    await asyncio.sleep(0)
    bare = replace(signed(world, "sms", f"http://127.0.0.1:{world.port}/webhook/sms"), url="http://x/webhook/sms")
    several = await posted(world, bare)
    assert (several["status"], several["reason"]) == (404, "NOT_FOUND")
    assert several["fix"] == f"enter http://127.0.0.1:{world.port}/webhook/sms/sms-key at the provider"
    del world.peer.accounts["sms/+14155550999"]


async def test_what_never_comes_to_a_check_is_listed_with_its_reason(world: World) -> None:
    big = b"x" * (world.settings.http_max_body_bytes + 1)
    asked: list[tuple[str, str, bytes, str, int, str]] = [
        ("POST", "/webhook/telegramm/x", b"{}", "application/json", 404, "/webhook/telegram"),
        ("POST", "/webhook/telegram/a/b/c", b"{}", "application/json", 404, ""),
        ("POST", "/webhook/telegram/nobody", b"{}", "application/json", 404, "parley channels list"),
        ("PUT", "/webhook/sms", b"{}", "application/json", 405, "post"),
        ("POST", "/webhook/sms/sms-key", b"<x/>", "text/xml", 415, "content-type"),
        ("POST", "/webhook/sms/sms-key", big, "application/json", 413, "HTTP_MAX_BODY_BYTES"),
        ("GET", "/webhook/telegram/telegram-key", b"", "text/plain", 403, "browser"),
        ("GET", "/webhook/whatsapp_cloud/whatsapp_cloud-key", b"", "text/plain", 403, "META_VERIFY_TOKEN"),
    ]
    for method, path, body, kind, status, fix in asked:
        answer = await world.client.request(method, path, content=body, headers={"content-type": kind})
        row = await seen(world, answer.headers["x-request-id"])
        assert (row["status"], row["method"]) == (status, method), path
        assert row["found"], path
        assert fix in row["fix"], path


async def test_while_storage_is_full_the_inspector_says_that_nothing_was_lost_to_a_mistake_of_theirs(
    world: World,
) -> None:
    world.peer.full = True
    try:
        row = await posted(world, world.webhook("sms", "not now"))
    finally:
        world.peer.full = False
    assert (row["result"], row["status"], row["reason"]) == ("not_now", 503, "QUEUE_FULL")
    again = await world.client.post(f"/v1/inspector/arrivals/{row['id']}/replay", headers=key(world))
    assert (again.json()["result"], again.json()["replay_of"]) == ("accepted", row["id"])
    assert world.peer.submissions[-1].messages[0].text == "not now"


async def test_a_lost_secret_is_named_with_what_mends_it(world: World) -> None:
    secrets, number = CREDENTIALS["whatsapp_cloud"], "555000123123123"
    world.peer.add_account("whatsapp_cloud", number, credentials=secrets, key="sealed")
    world.peer.sealed.add("sealed")
    try:
        ours = world.webhook("whatsapp_cloud", "hello")
        body = ours.body.replace(ADDRESSES["whatsapp_cloud"].encode(), number.encode())
        theirs = replace(ours, body=body, headers={**ours.headers, HEADER: sign(body, secrets["app_secret"])})
        kept = await posted(world, theirs)
        lost = await posted(world, replace(theirs, url="http://x/webhook/whatsapp_cloud/sealed"))
    finally:
        world.peer.sealed.clear()
        del world.peer.accounts[f"whatsapp_cloud/{number}"]
    assert (kept["result"], kept["status"], kept["reason"]) == ("unreadable", 200, "SECRET_UNREADABLE")
    assert (lost["result"], lost["status"], lost["reason"]) == ("not_now", 503, "SECRET_UNREADABLE")
    assert kept["found"].endswith("kept as it came, and not answered")
    assert lost["found"].endswith("the provider was told to come again")
    assert kept["fix"].startswith("parley doctor names the account")


async def test_a_replay_goes_the_same_way_and_says_duplicate(world: World) -> None:
    row = await posted(world, world.webhook("slack", "once"))
    count = len(world.peer.texts())
    again = await world.client.post(f"/v1/inspector/arrivals/{row['id'][:30]}/replay", headers=key(world))
    assert (again.status_code, again.json()["result"], again.json()["status"]) == (200, "duplicate", 200)
    assert len(world.peer.texts()) == count
    unread = await world.client.put("/webhook/sms", headers={"content-type": "application/json"})
    refused = await world.client.post(
        f"/v1/inspector/arrivals/{unread.headers['x-request-id']}/replay", headers=key(world)
    )
    assert refused.status_code == 409


@pytest.mark.parametrize("channel", PROVIDERS)
async def test_neither_credentials_nor_words_are_shown_unless_words_are_asked_for(world: World, channel: str) -> None:
    row = await posted(world, signed(world, channel), authorization="Bearer nobody-may-see-this", cookie="a=secret")
    whole = await seen(world, row["id"], text=True)
    curl = await world.client.get(f"/v1/inspector/arrivals/{row['id']}/curl", headers=key(world))
    assert "what nobody may read" not in str(row)
    assert "what nobody may read" in whole["body"]
    assert "what" in curl.text
    for text in (str(row), str(whole), curl.text):
        assert "nobody-may-see-this" not in text
        for name, value in CREDENTIALS[channel].items():
            assert name in ("account_sid", "public_key") or value not in text, name


async def test_a_curl_of_what_was_signed_is_believed_when_it_is_run(world: World) -> None:
    for channel, variable in (("sms", ""), ("telegram", "TELEGRAM_WEBHOOK_SECRET"), ("whatsapp_cloud", "")):
        row = await posted(world, world.webhook(channel, f"it's {channel} & more"))
        command = (await world.client.get(f"/v1/inspector/arrivals/{row['id']}/curl", headers=key(world))).text
        environment = {"PATH": "/usr/bin:/bin", variable or "NONE": CREDENTIALS["telegram"]["webhook_secret"]}
        shell = await asyncio.create_subprocess_exec("sh", "-c", command, env=environment, stdout=-1, stderr=-1)
        out, err = await shell.communicate()
        assert b"HTTP/1.1 200" in out, (command, out, err)


async def test_who_has_no_token_sees_nothing_and_where_it_is_off_there_is_nothing(world: World, tmp_path: Path) -> None:
    row = await posted(world, world.webhook("sms", "hello"))
    for path in ("arrivals", f"arrivals/{row['id']}", f"arrivals/{row['id']}/curl"):
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Bearer"}):
            assert (await world.client.get(f"/v1/inspector/{path}", headers=headers)).status_code == 401
    assert (await world.client.post(f"/v1/inspector/arrivals/{row['id']}/replay")).status_code == 401
    assert (await world.client.get("/inspector")).status_code == 200
    async with running(tmp_path) as other:
        token = {"authorization": f"Bearer {mesh_token(other.settings)}"}
        assert (await other.client.get("/v1/inspector/arrivals", headers=token)).status_code == 404
        assert (await other.client.get("/inspector")).status_code == 404


async def test_who_waits_hears_of_the_next_one_at_once(world: World) -> None:
    last = (await world.client.get("/v1/inspector/arrivals", headers=key(world))).json()["last"]
    params = {"after": last, "wait": 20}
    waiting = asyncio.create_task(world.client.get("/v1/inspector/arrivals", params=params, headers=key(world)))
    await asyncio.sleep(0)
    row = await posted(world, world.webhook("sms", "hello"))
    heard = (await waiting).json()
    assert [each["id"] for each in heard["arrivals"]] == [row["id"]]
    assert heard["last"] == row["number"]
    restarted = await world.client.get("/v1/inspector/arrivals", params={"after": 10**9}, headers=key(world))
    assert restarted.json()["last"] == row["number"]
