"""What does a provider get to hear, and what is stored?"""

import asyncio

import pytest

from tests.suites.gateway.conftest import CREDENTIALS, World

PROVIDERS = ["whatsapp", "sms", "telegram", "discord", "slack", "whatsapp_cloud", "instagram"]


@pytest.mark.parametrize("channel", PROVIDERS)
async def test_a_signed_webhook_is_stored_and_then_answered(world: World, channel: str) -> None:
    answer = await world.post(world.webhook(channel, "hello"))
    assert answer.status_code == 200
    assert world.peer.texts() == ["hello"]
    [submission] = world.peer.submissions
    assert submission.tenant_id == "default"
    assert submission.messages[0].correlation_id == answer.headers["x-request-id"]
    assert submission.raw_payload


@pytest.mark.parametrize("channel", PROVIDERS)
async def test_fifty_copies_at_once_are_fifty_times_welcome_and_stored_once(patient: World, channel: str) -> None:
    webhook = patient.webhook(channel, "hello")
    answers = await asyncio.gather(*(patient.post(webhook) for _ in range(50)))
    assert {each.status_code for each in answers} == {200}
    assert patient.peer.texts() == ["hello"]


async def test_many_webhooks_at_once_share_few_frames(patient: World) -> None:
    patient.peer.hold.clear()
    posting = [asyncio.create_task(patient.post(patient.webhook("sms", str(n)))) for n in range(60)]
    await asyncio.sleep(2)  # until all are there, on a busy machine too
    patient.peer.hold.set()
    answers = await asyncio.gather(*posting)
    assert {each.status_code for each in answers} == {200}
    assert sum(patient.peer.frames) == 60
    assert len(patient.peer.frames) < 10


@pytest.mark.parametrize("channel", PROVIDERS)
async def test_a_forged_webhook_leaves_no_row_and_learns_nothing(world: World, channel: str) -> None:
    webhook = world.webhook(channel, "hello")
    forged = {name: "forged" for name in webhook.headers if name.startswith("x-")}
    answer = await world.client.post(webhook.url, content=webhook.body, headers={**webhook.headers, **forged})
    assert (answer.status_code, answer.json()) == (401, {"error": "refused"})
    assert not world.peer.submissions


async def test_an_unknown_channel_or_account_is_not_found(world: World) -> None:
    headers = {"content-type": "application/json"}
    for path in ("/webhook/pigeon", "/webhook/pigeon/key", "/webhook/telegram/nobody", "/webhook/telegram/a/b/c"):
        answer = await world.client.post(path, content=b"{}", headers=headers)
        assert answer.status_code == 404, path


async def test_an_unknown_account_is_asked_for_once_a_second(world: World) -> None:
    await world.post(world.webhook("sms", "hello"))
    before = world.peer.resolved
    statuses = [(await world.client.post("/webhook/sms/nobody", data={"Body": "x"})).status_code for _ in range(20)]
    assert set(statuses) == {404}
    assert world.peer.resolved - before <= 2


async def test_a_rotated_secret_counts_within_five_seconds(world: World) -> None:
    old = world.webhook("telegram", "with the old secret")
    assert (await world.post(old)).status_code == 200
    world.peer.accounts["telegram/telegram"].credentials["webhook_secret"] = "another"
    async with asyncio.timeout(5):
        while (await world.post(old)).status_code != 401:
            await asyncio.sleep(0.2)
    assert (await world.post(world.webhook("telegram", "with the new one"))).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_refused(world: World, method: str) -> None:
    assert (await world.client.request(method, "/webhook/sms")).status_code == 405


async def test_a_handshake_of_a_provider_that_has_none_is_refused(world: World) -> None:
    answer = await world.client.get("/webhook/telegram/telegram-key?hub.challenge=1")
    assert (answer.status_code, answer.json()) == (403, {"error": "refused"})


@pytest.mark.parametrize("channel", ["whatsapp_cloud", "instagram"])
async def test_meta_is_told_its_challenge_when_it_knows_the_token(world: World, channel: str) -> None:
    url = world.webhook(channel, "hello").url
    asked = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "verify-token"}
    answer = await world.client.get(url, params=asked)
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (200, "1158201444", "text/plain")
    wrong: list[dict[str, str]] = [
        {"hub.verify_token": "verify-tokem"},
        {"hub.verify_token": ""},
        {"hub.verify_token": "\u00e9"},
        {"hub.mode": "unsubscribe"},
        {"hub.challenge": "<script>alert(1)</script>"},
        {"hub.challenge": ""},
    ]
    for change in wrong:
        answer = await world.client.get(url, params=asked | change)
        assert (answer.status_code, answer.json()) == (403, {"error": "refused"})
    assert not world.peer.submissions


async def test_while_storage_cannot_write_nothing_is_accepted_and_forgeries_are_still_known(world: World) -> None:
    webhook = world.webhook("telegram", "hello")
    assert (await world.post(webhook)).status_code == 200
    world.peer.away = True
    await asyncio.sleep(3.1)  # what is remembered of the account is no longer fresh
    answer = await world.post(world.webhook("telegram", "again"))
    assert answer.status_code == 503
    assert 1 <= int(answer.headers["retry-after"]) <= 3
    forged = {**webhook.headers, "x-telegram-bot-api-secret-token": "forged"}
    assert (await world.client.post(webhook.url, content=webhook.body, headers=forged)).status_code == 401
    world.peer.away = False
    await asyncio.sleep(1.1)
    assert (await world.post(world.webhook("telegram", "again"))).status_code == 200


@pytest.mark.parametrize("channel", ["sms", "telegram"])
async def test_a_webhook_asks_again_while_storage_cannot_write_and_is_stored_once(patient: World, channel: str) -> None:
    patient.peer.away = True  # from the start: nobody knows the account yet
    posting = asyncio.create_task(patient.post(patient.webhook(channel, "hello")))
    await asyncio.sleep(0.5)
    assert not posting.done()
    patient.peer.away = False
    assert (await posting).status_code == 200
    assert patient.peer.texts() == ["hello"]


async def test_what_a_provider_brings_once_is_held_for_longer_than_what_it_brings_again(world: World) -> None:
    for channel in ("sms", "telegram"):
        assert (await world.post(world.webhook(channel, "hello"))).status_code == 200
    world.peer.away = True
    once = asyncio.create_task(world.post(world.webhook("sms", "only now")))
    assert (await world.post(world.webhook("telegram", "and again"))).status_code == 503
    assert not once.done()
    world.peer.away = False
    assert (await once).status_code == 200
    assert sorted(world.peer.texts()) == ["hello", "hello", "only now"]


async def test_a_full_queue_asks_the_provider_to_come_again(world: World) -> None:
    assert (await world.post(world.webhook("sms", "hello"))).status_code == 200
    world.peer.full = True
    answer = await world.post(world.webhook("sms", "again"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert world.peer.texts() == ["hello"]


async def test_that_storage_refuses_our_own_token_is_no_fault_of_who_stands_at_the_door(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    headers = await world.session() | {"idempotency-key": "one"}
    assert (await world.post(world.webhook("telegram", "hello"))).status_code == 200
    world.peer.knows_us = False
    assert (await world.post(world.webhook("telegram", "again"))).status_code == 503
    said = await world.client.post("/v1/chat/messages", json={"text": "hello"}, headers=headers)
    read = await world.client.get("/v1/chat/messages", headers=headers)
    assert (said.status_code, read.status_code) == (503, 503)
    assert said.json()["error"]["code"] == "STORAGE_UNAVAILABLE"
    logged = "".join(capfd.readouterr())
    assert "give all services the same MESH_TOKEN" in logged
    assert not [line for line in logged.splitlines() if "webhook.refused" in line and "401" in line]


async def test_a_storage_that_hangs_is_waited_for_a_bounded_time(world: World) -> None:
    assert (await world.post(world.webhook("telegram", "hello"))).status_code == 200
    world.peer.hold.clear()
    async with asyncio.timeout(4):
        answer = await world.post(world.webhook("telegram", "again"))
    assert answer.status_code == 503


async def test_a_storage_that_is_gone_is_503_and_welcome_again_when_it_is_back(world: World) -> None:
    assert (await world.post(world.webhook("telegram", "hello"))).status_code == 200
    await world.storage.drain(0)
    async with asyncio.timeout(4):
        answer = await world.post(world.webhook("telegram", "lost"))
    assert (answer.status_code, answer.json()) == (503, {"error": "refused"})
    assert (await world.client.get("/readyz")).status_code == 503
    assert (await world.client.get("/healthz")).status_code == 200
    posting = asyncio.create_task(world.post(world.webhook("sms", "while it restarts")))
    await asyncio.sleep(0.5)
    await world.restart_storage()
    assert (await posting).status_code == 200
    assert world.peer.texts() == ["hello", "while it restarts"]


@pytest.mark.parametrize("channel", sorted(CREDENTIALS))
async def test_an_account_without_a_secret_believes_nobody(world: World, channel: str) -> None:
    webhook = world.webhook(channel, "hello")
    for secrets in world.peer.accounts.values():
        if secrets.account.channel == channel:
            for name in list(secrets.credentials):
                secrets.credentials[name] = " " if name != "account_sid" else secrets.credentials[name]
    answer = await world.post(webhook)
    assert answer.status_code == 401
    assert not world.peer.submissions


async def test_storage_is_told_which_webhooks_come_again(world: World) -> None:
    """Only those may be turned away for what their account still has to send: Twilio calls once."""
    assert (await world.post(world.webhook("sms", "hello"))).status_code == 200
    assert (await world.post(world.webhook("telegram", "hello"))).status_code == 200
    assert [each.comes_again for each in world.peer.submissions] == [False, True]
