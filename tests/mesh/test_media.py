"""Does the picture that a person sends reach the conversation, and does one that cannot be had keep nobody waiting?"""

import base64
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

import aiohttp
import grpc
import orjson
from sqlalchemy import update
from sqlmodel import col

from channels import meta_webhook, slack_signature, twilio_signature
from channels.channel import Webhook
from channels.payload import Form
from kit.ids import new_id
from parley.chat.v1 import message_pb2 as chat
from parley.sender.v1.sender_service_pb2 import SendRequest
from parley.sender.v1.sender_service_pb2_grpc import SenderServiceStub
from parley.storage.v1 import conversation_service_pb2 as conversations
from parley.storage.v1 import media_service_pb2 as media
from parley.storage.v1.directory_requests_pb2 import CreateApiKeyRequest
from storage_service.backends.engines import open_engine
from storage_service.backends.tables import Media
from tests.mesh.conftest import BOTH
from tests.mesh.rig import TENANT, TOKEN, Mesh, Storage
from tests.mesh.talk import Talk, person
from tests.mesh.world import World
from tests.simulated.meta import ACCESS_TOKEN, APP_SECRET
from tests.simulated.slack import SIGNING_SECRET
from tests.simulated.twilio import ACCOUNT_SID, AUTH_TOKEN
from tests.simulated.wire import File
from tests.stalls import PATIENCE_SECONDS
from tests.waiting import until

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(300_000)
BASIC = "Basic " + base64.b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()
SEEN = "[image, image/png, 293 KB]"


@BOTH
async def test_a_picture_on_twilio_s_whatsapp_is_stored_and_told_to_the_model(mesh: Mesh, world: World) -> None:
    who, path = person(), f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/MM1/Media/ME1"
    world.twilio.server.files[path] = File(PNG, BASIC)
    async with Talk(mesh) as talk, mesh.storage() as storage:
        url = world.twilio.server.base_url + path
        await talk.post(_on_twilio(talk.webhook("whatsapp", "look", who), url))
        await until(lambda: world.twilio.sends.to(f"whatsapp:{who}"))
        assert world.twilio.sends.texts(f"whatsapp:{who}") == [f"re: look\n{SEEN}"]
        attachment, _ = await _came(storage, "whatsapp", who)
        assert attachment.media_state == chat.MEDIA_STATE_STORED
        assert await _bytes(storage, attachment.media_id) == PNG


@BOTH
async def test_a_picture_on_telegram_is_found_by_its_id(mesh: Mesh, world: World) -> None:
    who = person().lstrip("+")
    world.telegram.paths["file-1"] = "photos/file_1.jpg"
    world.telegram.server.files[f"/file/bot{world.telegram.bot_token}/photos/file_1.jpg"] = File(PNG)
    async with Talk(mesh) as talk:
        await talk.post(_on_telegram(talk.webhook("telegram", "look", who), "file-1"))
        await until(lambda: world.telegram.sends.to(who))
    assert world.telegram.sends.texts(who) == [f"re: look\n{SEEN}"]


@BOTH
async def test_a_picture_on_slack_is_read_with_the_app_s_token(mesh: Mesh, world: World) -> None:
    who = person().lstrip("+")
    world.slack.server.files["/files-pri/a.png"] = File(PNG, f"Bearer {world.slack.bot_token}")
    async with Talk(mesh) as talk:
        url = f"{world.slack.server.base_url}/files-pri/a.png"
        await talk.post(_on_slack(talk.webhook("slack", "look", f"U{who}"), url))
        await until(lambda: world.slack.sends.to(f"D{who}"))
    assert world.slack.sends.texts(f"D{who}") == ['re: look\n[image, "a.png", image/png, 293 KB]']


@BOTH
async def test_a_picture_on_whatsapp_cloud_is_read_from_the_url_behind_its_id(mesh: Mesh, world: World) -> None:
    who = person().lstrip("+")
    world.meta.known["777"] = {"url": f"{world.meta.server.base_url}/media/777", "mime_type": "image/jpeg"}
    world.meta.server.files["/media/777"] = File(PNG, f"Bearer {ACCESS_TOKEN}")
    async with Talk(mesh) as talk:
        await talk.post(_on_whatsapp_cloud(talk.webhook("whatsapp_cloud", "look", who), "777"))
        await until(lambda: world.meta.sends.to(who))
    assert world.meta.sends.texts(who) == [f"re: look\n{SEEN}"]


@BOTH
async def test_a_person_whose_picture_cannot_be_had_is_answered_and_the_model_knows_why(
    mesh: Mesh, world: World
) -> None:
    page, huge, inside, gone = (person().lstrip("+") for _ in range(4))
    world.slack.server.files["/files-pri/b.png"] = File(PNG, "Bearer another-app's")  # so ours is shown a login page
    world.telegram.paths["huge"] = ""
    async with Talk(mesh) as talk:
        url = f"{world.slack.server.base_url}/files-pri/b.png"
        await talk.post(_on_slack(talk.webhook("slack", "look", f"U{page}"), url))
        await talk.post(_on_telegram(talk.webhook("telegram", "look", huge), "huge"))
        metadata = "http://169.254.169.254/latest/meta-data/iam"
        await talk.post(_on_twilio(talk.webhook("whatsapp", "look", f"+{inside}"), metadata))
        await talk.post(_on_whatsapp_cloud(talk.webhook("whatsapp_cloud", "look", gone), "404404"))
        await until(lambda: world.slack.sends.to(f"D{page}"))
        await until(lambda: world.telegram.sends.to(huge))
        await until(lambda: world.twilio.sends.to(f"whatsapp:+{inside}"))
        await until(lambda: world.meta.sends.to(gone))
    assert world.slack.sends.texts(f"D{page}") == ["re: look\n[image, not available: it is not what it says it is]"]
    assert world.telegram.sends.texts(huge) == ["re: look\n[image, not available: it is too large]"]
    assert world.twilio.sends.texts(f"whatsapp:+{inside}") == [
        "re: look\n[image, not available: it could not be fetched]"
    ]
    assert world.meta.sends.texts(gone) == ["re: look\n[image, not available: it is not there any more]"]


@BOTH
async def test_an_operator_sends_a_picture_that_came_back_with_words_before_and_under_it(
    mesh: Mesh, world: World
) -> None:
    who = person().lstrip("+")
    world.telegram.paths["file-2"] = "photos/file_2.jpg"
    world.telegram.server.files[f"/file/bot{world.telegram.bot_token}/photos/file_2.jpg"] = File(PNG)
    async with Talk(mesh) as talk, mesh.storage() as storage:
        await talk.post(_on_telegram(talk.webhook("telegram", "look", who), "file-2"))
        await until(lambda: world.telegram.sends.to(who))
        came, conversation_id = await _came(storage, "telegram", who)
        again = chat.Attachment(kind=chat.ATTACHMENT_KIND_IMAGE, media_id=came.media_id, caption="yours")
        await _send(mesh, conversation_id, "here it is", again)
        await until(lambda: who in world.telegram.taken)
    assert world.telegram.sends.texts(who)[1:] == ["here it is", "yours"]
    assert world.telegram.taken[who] == PNG


@BOTH
async def test_a_file_by_its_url_is_given_to_twilio_as_it_is(mesh: Mesh, world: World) -> None:
    who = person()
    async with Talk(mesh) as talk, mesh.storage() as storage:
        await talk.say("whatsapp", "hello", who)
        await until(lambda: world.twilio.sends.to(f"whatsapp:{who}"))
        _, conversation_id = await _came(storage, "whatsapp", who)
        kind = chat.ATTACHMENT_KIND_FILE
        await _send(mesh, conversation_id, "", chat.Attachment(kind=kind, url="https://x.test/a.pdf", caption="bill"))
        await until(lambda: len(world.twilio.sends.to(f"whatsapp:{who}")) == 3)
    # A document takes no words with it by Twilio's WhatsApp.
    assert world.twilio.sends.texts(f"whatsapp:{who}")[1:] == ["bill", ""]
    assert world.twilio.media[-1] == "https://x.test/a.pdf"


@BOTH
async def test_a_picture_that_twilio_would_refuse_arrives_as_its_link(mesh: Mesh, world: World) -> None:
    who, url = person(), "https://x.test/cat.gif"
    async with Talk(mesh) as talk, mesh.storage() as storage:
        await talk.say("whatsapp", "hello", who)
        await until(lambda: world.twilio.sends.to(f"whatsapp:{who}"))
        _, conversation_id = await _came(storage, "whatsapp", who)
        kind = chat.ATTACHMENT_KIND_IMAGE
        await _send(mesh, conversation_id, "", chat.Attachment(kind=kind, url=url, caption="a cat"))
        await until(lambda: len(world.twilio.sends.to(f"whatsapp:{who}")) == 2)
    assert world.twilio.sends.texts(f"whatsapp:{who}")[1:] == [f"a cat\n{url}"]


@BOTH
async def test_a_stored_file_is_given_to_a_provider_as_a_link_and_to_a_program_by_its_key(
    mesh: Mesh, world: World
) -> None:
    who, path = person(), f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/MM2/Media/ME2"
    world.twilio.server.files[path] = File(PNG, BASIC)
    async with Talk(mesh) as talk, mesh.storage() as storage, aiohttp.ClientSession() as outside:
        await talk.post(_on_twilio(talk.webhook("whatsapp", "look", who), world.twilio.server.base_url + path))
        await until(lambda: world.twilio.sends.to(f"whatsapp:{who}"))
        came, conversation_id = await _came(storage, "whatsapp", who)
        again = chat.Attachment(kind=chat.ATTACHMENT_KIND_IMAGE, media_id=came.media_id)
        await _send(mesh, conversation_id, "", again)
        await until(lambda: len(world.twilio.sends.to(f"whatsapp:{who}")) == 2)
        link = world.twilio.media[-1]
        assert link.startswith(f"{mesh.base_url}/media/")
        async with outside.get(link) as shown:
            assert (shown.status, shown.content_type, await shown.read()) == (200, "image/png", PNG)
            assert shown.headers["content-disposition"].startswith("attachment")
            assert shown.headers["x-content-type-options"] == "nosniff"
        own = f"{mesh.base_url}/v1/media/{came.media_id}"
        key = await _key(storage)
        for url, headers, status in [
            (own, {"authorization": f"Bearer {key}"}, 200),
            (own, {"authorization": "Bearer of-nobody"}, 401),
            (own, {}, 401),
            (f"{own}x", {"authorization": f"Bearer {key}"}, 404),
            (f"{link}x", {}, 404),
            (f"{mesh.base_url}/media/forged", {}, 404),
        ]:
            async with outside.get(url, headers=headers) as shown:
                assert shown.status == status, url
                assert (await shown.read() == PNG) is (status == 200)
        await _expires(mesh, came.media_id)
        for url in (own, link):
            async with outside.get(url, headers={"authorization": f"Bearer {key}"}) as shown:
                said = (await shown.json())["error"]
                assert (shown.status, said["code"]) == (410, "MEDIA_EXPIRED")
                assert said["message"] == "The file was kept for its time, and its bytes are removed."


async def _expires(mesh: Mesh, media_id: str) -> None:
    """As after thirty days, without waiting for them."""
    engine = open_engine(mesh.plan.database_url)
    old = update(Media).where(col(Media.id) == media_id).values(state="unavailable", reason="expired")
    async with engine.begin() as connection:
        await connection.execute(old)
    await engine.dispose()


async def _key(storage: Storage) -> str:
    request = CreateApiKeyRequest(tenant_id=TENANT, request_id=new_id(), name="reader", scopes=["conversations.read"])
    made = await storage.directory.CreateApiKey(request, metadata=storage.metadata, timeout=PATIENCE_SECONDS)
    return str(made.secret)


def _on_twilio(webhook: Webhook, url: str) -> Webhook:
    fields = dict(parse_qsl(webhook.body.decode(), keep_blank_values=True))
    fields |= {"NumMedia": "1", "MediaUrl0": url, "MediaContentType0": "image/png"}
    signature = twilio_signature.sign(webhook.url, Form({k: [v] for k, v in fields.items()}), token=AUTH_TOKEN)
    headers = {**webhook.headers, twilio_signature.HEADER: signature}
    return replace(webhook, body=urlencode(fields).encode(), headers=headers)


def _on_telegram(webhook: Webhook, file_id: str) -> Webhook:
    update = orjson.loads(webhook.body)
    message = update["message"]
    message["caption"] = message.pop("text")
    message["photo"] = [{"file_id": file_id, "file_unique_id": "u", "width": 90, "height": 90, "file_size": 900}]
    return replace(webhook, body=orjson.dumps(update))


def _on_slack(webhook: Webhook, url: str) -> Webhook:
    envelope = orjson.loads(webhook.body)
    file = {"id": "F0MEDIA", "name": url.rpartition("/")[2], "mimetype": "image/png", "url_private_download": url}
    envelope["event"] |= {"subtype": "file_share", "files": [file]}
    body = orjson.dumps(envelope)
    at = int(webhook.received_at.timestamp())
    proof = slack_signature.sign(body, secret=SIGNING_SECRET, at=at)
    return replace(webhook, body=body, headers={**webhook.headers, **proof})


def _on_whatsapp_cloud(webhook: Webhook, media_id: str) -> Webhook:
    content = orjson.loads(webhook.body)
    (message,) = content["entry"][0]["changes"][0]["value"]["messages"]
    text = message.pop("text")["body"]
    message |= {"type": "image", "image": {"id": media_id, "mime_type": "image/jpeg", "caption": text}}
    body = orjson.dumps(content)
    headers = {**webhook.headers, meta_webhook.HEADER: meta_webhook.sign(body, APP_SECRET)}
    return replace(webhook, body=body, headers=headers)


async def _send(mesh: Mesh, conversation_id: str, text: str, *attachments: chat.Attachment) -> None:
    request = SendRequest(
        tenant_id=TENANT, request_id=new_id(), conversation_id=conversation_id, text=text, attachments=attachments
    )
    async with grpc.aio.insecure_channel(f"127.0.0.1:{mesh.ports['sender']}") as channel:
        who = (("authorization", f"Bearer {TOKEN}"),)
        await SenderServiceStub(channel).Send(request, timeout=PATIENCE_SECONDS, metadata=who)


async def _came(storage: Storage, channel: str, chat_id: str) -> tuple[chat.Attachment, str]:
    """What came with the first message, if anything, and the conversation."""
    account = next(each for each in await storage.accounts() if each.channel == channel)
    asked = conversations.GetConversationRequest(tenant_id=TENANT, account_id=account.id, chat_id=chat_id)
    stub, who = storage.conversations, storage.metadata
    found = (await stub.GetConversation(asked, metadata=who, timeout=PATIENCE_SECONDS)).conversation
    listing = conversations.ListMessagesRequest(tenant_id=TENANT, conversation_id=found.id)
    first = (await stub.ListMessages(listing, metadata=who, timeout=PATIENCE_SECONDS)).messages[0]
    return first.attachments[0] if first.attachments else chat.Attachment(), found.id


async def _bytes(storage: Storage, media_id: str) -> bytes:
    asked = media.GetMediaRequest(tenant_id=TENANT, media_id=media_id)
    call = storage.media.GetMedia(asked, metadata=storage.metadata, timeout=PATIENCE_SECONDS)
    return b"".join([each.content async for each in call])
