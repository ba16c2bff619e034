"""Is a file given by calls that its provider describes, whether it is linked to or sent along?"""

from collections.abc import Iterator
from urllib.parse import urlsplit

import orjson
import pytest

from channels.channel import Answer, Call, Outgoing
from channels.files import File
from channels.media import Gives
from channels.registry import CHANNELS
from parley.chat.v1 import message_pb2 as chat
from tests.suites.channels.described import PROVIDERS, complaints, read
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
    "line": {"sentMessages": [{"id": "461230966842064897"}]},
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
        headers, body = read(call.headers, call.body)
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
