"""Does the stand-in say what LINE says, and does our channel know what it means?"""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import orjson
import pytest

from channels.channel import Answer, Throttled, Unauthorized
from channels.line import failure
from parley.chat.v1 import message_pb2 as chat
from sandbox.files import File
from sandbox.provider import Ask, Reply
from tests.unit.sandbox.test_every_phone import deliver, spoken
from tests.unit.sandbox.world import Sandbox

KEY = str(uuid4())
TEXT = [{"type": "text", "text": "hello"}]


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


def ask(sandbox: Sandbox, method: str, path: str, body: Any = None, **headers: str) -> Reply:
    token = sandbox.values["LINE_CHANNEL_ACCESS_TOKEN"]
    sent = {"authorization": f"Bearer {token}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    reply = sandbox.call("line", Ask(method, path, sent, b"" if body is None else orjson.dumps(body)))
    assert reply
    return reply


def push(sandbox: Sandbox, to: str, messages: list[dict[str, str]], *, key: str = "") -> Reply:
    headers = {"x_line_retry_key": key} if key else {}
    return ask(sandbox, "POST", "/v2/bot/message/push", {"to": to, "messages": messages}, **headers)


def url_of(number: int) -> str:
    return f"https://shop.example/{number}.png"


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], "Size must be between 1 and 5"),
        (TEXT * 6, "Size must be between 1 and 5"),
        ([{"type": "text", "text": " "}], "May not be empty"),
        ([{"type": "text", "text": "x" * 5001}], "Length must be between 0 and 5000"),
        ([{"type": "image", "originalContentUrl": "http://shop.example/a", "previewImageUrl": url_of(1)}], "HTTPS"),
        ([{"type": "fax"}], "Must be one of"),
    ],
)
async def test_a_push_that_is_wrong_is_refused_in_detail(
    sandbox: Sandbox, messages: list[dict[str, str]], said: str
) -> None:
    person = await spoken(sandbox, "line")
    refused = push(sandbox, person.chat_id, messages)
    assert refused.status == 400
    assert said in refused.content["details"][0]["message"]


@pytest.mark.parametrize(
    "file", [None, File("a.gif", "image/gif", b"GIF89a"), File("a.png", "image/png", bytes(11 * 2**20))]
)
async def test_a_picture_that_the_app_cannot_show_is_taken_and_not_shown(sandbox: Sandbox, file: File | None) -> None:
    person = await spoken(sandbox, "line")
    if file:
        sandbox.files[url_of(1)] = file
    picture = {"type": "image", "originalContentUrl": url_of(1), "previewImageUrl": url_of(1)}
    assert push(sandbox, person.chat_id, [picture]).status == 200
    await sandbox.settle()
    bubble = sandbox.switchboard.phones["line"].bubbles[-1]
    assert (bubble.state, bubble.file, bubble.due) == ("failed", None, ())
    assert bubble.note.startswith("Never shown")


async def test_the_same_key_is_the_same_message(sandbox: Sandbox) -> None:
    person = await spoken(sandbox, "line")
    first = push(sandbox, person.chat_id, TEXT, key=KEY)
    again = push(sandbox, person.chat_id, TEXT, key=KEY)
    assert (first.status, again.status) == (200, 409)
    assert again.content["sentMessages"] == first.content["sentMessages"]
    assert [each.text for each in sandbox.switchboard.phones["line"].bubbles] == ["hello", "hello"]
    assert push(sandbox, person.chat_id, TEXT, key="no-uuid").status == 400


async def test_a_reply_token_is_good_once_and_for_a_minute(sandbox: Sandbox) -> None:
    def reply(token: str) -> int:
        return ask(sandbox, "POST", "/v2/bot/message/reply", {"replyToken": token, "messages": TEXT}).status

    sandbox.switchboard.say("line", "one")
    sandbox.switchboard.say("line", "two")
    await sandbox.settle()
    first, second = (orjson.loads(each.body)["events"][0]["replyToken"] for each in sandbox.posts)
    assert [reply(first), reply(first)] == [200, 400]
    sandbox.later(61)
    assert [reply(second), reply("of-nobody")] == [400, 400]


async def test_who_is_a_stranger_is_refused(sandbox: Sandbox) -> None:
    nobody = "U" + "e" * 32
    assert "'to'" in push(sandbox, nobody, TEXT).content["message"]
    assert ask(sandbox, "GET", f"/v2/bot/profile/{nobody}").status == 404
    assert ask(sandbox, "GET", "/v2/bot/message/1/content").status == 404
    person = await spoken(sandbox, "line")
    assert ask(sandbox, "GET", f"/v2/bot/profile/{person.chat_id}").content["userId"] == person.chat_id
    other: Mapping[str, str] = {"authorization": "Bearer another"}
    reply = sandbox.call("line", Ask("GET", "/v2/bot/info", other, b""))
    assert reply
    assert reply.status == 401
    assert isinstance(failure(Answer(401, {}, orjson.dumps(reply.content))), Unauthorized)


@pytest.mark.parametrize(("fault", "raised"), [("throttled", Throttled), ("used_up", Unauthorized)])
async def test_a_429_of_the_second_and_one_of_the_month_are_told_apart(
    sandbox: Sandbox, fault: str, raised: type[Exception]
) -> None:
    person = await spoken(sandbox, "line")
    sandbox.switchboard.turn("line", fault, seconds=3)
    with pytest.raises(raised):
        deliver(sandbox, person)


@pytest.mark.parametrize(("seconds", "status"), [(20, 202), (4, 400), (7, 400), (65, 400), ("20", 400)])
async def test_the_loading_animation_takes_fives_up_to_a_minute(sandbox: Sandbox, seconds: object, status: int) -> None:
    person = await spoken(sandbox, "line")
    body = {"chatId": person.chat_id, "loadingSeconds": seconds}
    assert ask(sandbox, "POST", "/v2/bot/chat/loading/start", body).status == status


async def test_what_a_person_writes_names_the_account(sandbox: Sandbox) -> None:
    message = await spoken(sandbox, "line")
    assert (message.channel, message.sender_id) == ("line", message.chat_id)
    assert message.provider_message_id.isdigit()
    assert message.attachments == []
    assert message.metadata["kind"] == "message"
    assert isinstance(message, chat.ChannelMessage)
