"""Is a file given by calls that its provider describes, whether it is linked to or sent along?"""

import email
import email.policy
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest

from channels.channel import Answer, Call, Outgoing
from channels.files import File
from channels.media import Gives
from channels.registry import CHANNELS
from parley.chat.v1 import message_pb2 as chat
from tests.suites.channels.described import PROVIDERS, complaints
from tests.suites.channels.golden import account, sender

LINK = "https://shop.example/a"
KINDS = {
    chat.ATTACHMENT_KIND_IMAGE: "image/png",
    chat.ATTACHMENT_KIND_AUDIO: "audio/mpeg",
    chat.ATTACHMENT_KIND_VIDEO: "video/mp4",
    chat.ATTACHMENT_KIND_FILE: "application/pdf",
}
CHATS = {"discord": "440000000000000001", "slack": "D0EXAMPLE1"}
FILE = {"id": "F1"}
# What each provider answers on the way; the last answer of a flow ends it, whatever it says.
ANSWERS = {
    "slack": {
        "ok": True,
        "upload_url": "https://files.slack.com/upload/v1/x",
        "file_id": "F1",
        "files": [{"id": "F1"}],
    },
    "whatsapp_cloud": {"id": "1003380000000001", "messages": [{"id": "wamid.1"}]},
    "telegram": {"ok": True, "result": {"message_id": 7}},
    "instagram": {"message_id": "m-1"},
    "discord": {"id": "440000000000000002"},
}
WAYS = [
    (name, way) for name in [*PROVIDERS, "slack"] if isinstance(speaks := CHANNELS[name], Gives) for way in speaks.takes
]
TWILIO = {"sid": "MM" + "0" * 32}


@pytest.mark.parametrize("kind", KINDS, ids=KINDS.get)
@pytest.mark.parametrize(("channel", "way"), WAYS)
def test_a_file_is_given_as_the_provider_describes(channel: str, way: str, kind: chat.AttachmentKind) -> None:
    content = {"url": LINK} if way == "url" else {"content": b"\x89PNG\r\n"}
    file = File(kind, KINDS[kind], "a", "look", **content)
    calls = list(_calls(channel, file))
    assert calls
    for call in calls:
        headers, body = _read(call)
        assert complaints(channel, method=call.method, url=call.url, headers=headers, body=body) == [], call


def _calls(channel: str, file: File) -> Iterator[Call]:
    """Those to the provider's API. Slack's upload goes to an address of which nothing is described."""
    mine = account(channel)
    speaks = CHANNELS[channel]
    assert isinstance(speaks, Gives)
    outgoing = Outgoing("d-1", 1, file.caption, CHATS.get(channel) or sender(channel), mine.address, file=file)
    flow = speaks.give(outgoing, mine.credentials)
    answer = Answer(201 if channel in ("sms", "whatsapp") else 200, {}, orjson.dumps(ANSWERS.get(channel, TWILIO)))
    call: Call | None = next(flow)
    while call is not None:
        if urlsplit(call.url).hostname != "files.slack.com":
            yield call
        try:
            call = flow.send(answer)
        except StopIteration:
            call = None


def _read(call: Call) -> tuple[Mapping[str, str], Any]:
    """Discord's form has the JSON that is described in a part of its own."""
    kind = call.headers.get("content-type", "")
    if kind.startswith("application/json"):
        return call.headers, orjson.loads(call.body)
    if not kind.startswith("multipart/"):
        return call.headers, dict(parse_qsl(call.body.decode(), keep_blank_values=True, strict_parsing=True))
    form = email.message_from_bytes(f"content-type: {kind}\r\n\r\n".encode() + call.body, policy=email.policy.HTTP)
    fields = {
        str(part.get_param("name", header="content-disposition")): bytes(part.get_payload(decode=True))
        for part in form.iter_parts()
    }
    if "payload_json" in fields:
        assert set(fields) == {"payload_json", "files[0]"}
        return {**call.headers, "content-type": "application/json"}, orjson.loads(fields["payload_json"])
    return call.headers, {name: value.decode(errors="replace") for name, value in fields.items()}
