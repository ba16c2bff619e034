"""Can a message be followed through all five services by one id, and is nothing told that must not be?"""

import json
from urllib.parse import parse_qsl, urlencode

import httpx
from twilio.request_validator import RequestValidator

from channels.channel import Webhook
from tests.mesh.conftest import FULL
from tests.mesh.rig import FIVE, TELEGRAM_SECRET, TOKEN, Mesh
from tests.mesh.talk import Talk, person
from tests.mesh.world import World
from tests.simulated.telegram import BOT_TOKEN
from tests.simulated.twilio import AUTH_TOKEN
from tests.waiting import until

CANARY = "canary-words-of-a-person"
NAME = "Canary Name"
SIGNATURE = "x-twilio-signature"
REFUSAL_STATUSES = {400, 401, 403, 404, 413, 415}


@FULL
async def test_one_correlation_id_tells_the_story_across_five_services(mesh: Mesh, world: World) -> None:
    who = person()
    async with Talk(mesh) as talk:
        heard = await talk.say("whatsapp", "tell the story", who)
    await until(lambda: world.twilio.sends.to(f"whatsapp:{who}"))
    assert heard.correlation_id
    await until(lambda: _services_that_mention(mesh, heard.correlation_id) == set(FIVE))
    for line in _lines(mesh, heard.correlation_id):
        assert {"timestamp", "level", "event", "component", "correlation_id"} <= line.keys()


@FULL
async def test_neither_secrets_nor_words_nor_numbers_are_told_anywhere(mesh: Mesh, world: World) -> None:
    who = person()
    async with Talk(mesh) as talk:
        await talk.post(_with_canaries(talk.webhook("whatsapp", CANARY, who)))
        await talk.say("telegram", CANARY, who.lstrip("+"))
        await talk.chat(CANARY)
        await until(lambda: world.twilio.sends.to(f"whatsapp:{who}") and world.telegram.sends.to(who.lstrip("+")))
        refused, refused_before = person(), world.twilio.refused
        world.twilio.mode = "63016"
        try:
            await talk.say("sms", CANARY, refused)
            await until(lambda: world.twilio.refused > refused_before)
        finally:
            world.twilio.mode = "ok"
        errors = [await _forged(talk, channel) for channel in ("whatsapp", "sms", "telegram")]
    assert {status for status, _ in errors} <= REFUSAL_STATUSES
    told = {**mesh.logs(), **_metrics(mesh), "errors": "".join(body for _, body in errors)}
    for secret in (CANARY, NAME, AUTH_TOKEN, BOT_TOKEN, TELEGRAM_SECRET, TOKEN, who.lstrip("+"), refused.lstrip("+")):
        assert [place for place, text in told.items() if secret in text] == [], secret


@FULL
def test_every_service_counts(mesh: Mesh) -> None:
    assert all("parley_" in text for text in _metrics(mesh).values())


@FULL
async def test_a_status_callback_raises_the_delivery_to_delivered(mesh: Mesh, world: World) -> None:
    who = person()
    async with Talk(mesh) as talk:
        await talk.say("sms", "did it arrive?", who)
    await until(lambda: world.twilio.sends.to(who))
    assert world.twilio.sends.to(who)[0].callback.startswith(f"{mesh.base_url}/webhook/sms/")
    async with mesh.storage() as storage:
        await storage.until_delivered(world.twilio.sends.to(who)[0].id)


def _with_canaries(webhook: Webhook) -> Webhook:
    """The same webhook with a name and a place that nobody else needs to know, signed again."""
    fields = dict(parse_qsl(webhook.body.decode(), keep_blank_values=True))
    fields |= {"ProfileName": NAME, "ButtonText": CANARY, "Address": CANARY, "ReferralBody": CANARY}
    signature = RequestValidator(AUTH_TOKEN).compute_signature(webhook.url, fields)
    headers = {**webhook.headers, SIGNATURE: signature}
    return Webhook("POST", webhook.url, headers, urlencode(fields).encode(), webhook.received_at)


async def _forged(talk: Talk, channel: str) -> tuple[int, str]:
    genuine = talk.webhook(channel, CANARY, person())
    headers = {**genuine.headers, SIGNATURE: "Zm9yZ2Vk", "x-telegram-bot-api-secret-token": "forged"}
    heard = await talk.post(Webhook("POST", genuine.url, headers, genuine.body, genuine.received_at))
    return heard.status, heard.body.decode()


def _services_that_mention(mesh: Mesh, correlation_id: str) -> set[str]:
    return {name for name, text in mesh.logs().items() if correlation_id in text}


def _lines(mesh: Mesh, correlation_id: str) -> list[dict[str, object]]:
    lines = [line for text in mesh.logs().values() for line in text.splitlines() if correlation_id in line]
    return [json.loads(line) for line in lines]


def _metrics(mesh: Mesh) -> dict[str, str]:
    urls = {name: f"http://127.0.0.1:{port}/metrics" for name, port in mesh.metrics.items()}
    urls["gateway"] = f"{mesh.base_url}/metrics"
    return {f"metrics of {name}": httpx.get(url, trust_env=False).text for name, url in urls.items()}
