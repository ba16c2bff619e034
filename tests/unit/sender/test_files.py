"""How do files of a reply go out? After its text, one part each, as the channel takes them, and never half."""

import pytest

from channels.channel import Call, Credentials, Flow, Outgoing, Sent
from channels.files import File
from channels.media import Way
from kit.moments import seconds
from parley.chat.v1 import message_pb2 as chat
from parley.chat.v1.message_pb2 import Attachment
from parley.storage.v1.pacing_pb2 import ACCOUNT_SIGN_UNTOUCHED
from tests.unit.sender.road import Pigeon, Road, ok, road

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(40)
LINK = Attachment(
    kind=chat.ATTACHMENT_KIND_IMAGE, url="https://x.test/1.png", caption="a chair", media_type="image/png"
)
STORED = Attachment(kind=chat.ATTACHMENT_KIND_FILE, media_id="m1", file_name="a/b.png")
AWAY = Attachment(kind=chat.ATTACHMENT_KIND_FILE, media_id="away")
OLD = Attachment(kind=chat.ATTACHMENT_KIND_FILE, media_id="old")


class Carrier(Pigeon):
    """A pigeon that carries files, too."""

    takes: tuple[Way, ...] = ("url", "bytes")
    captioned = frozenset({chat.ATTACHMENT_KIND_IMAGE})

    def give(self, outgoing: Outgoing, _credentials: Credentials) -> Flow:
        self.seen.append(outgoing)
        assert outgoing.file is not None
        answer = yield Call("POST", "http://loft/", {}, f"file {outgoing.file.name}".encode(), 5.0)
        return Sent(f"id-{answer.body.decode()}")


class Picky(Carrier):
    """A carrier that takes no text files in bytes."""

    takes: tuple[Way, ...] = ("bytes",)

    def links(self, file: File) -> bool:
        return file.media_type == "text/plain"


def carrying(*takes: Way, answers: int = 3) -> Road:
    way = road(*(ok(str(number)) for number in range(answers)))
    way.channel = Carrier()
    way.channel.takes = takes or Carrier.takes
    return way


async def test_a_file_follows_the_text_as_a_part_of_its_own() -> None:
    way = carrying()
    await way.carry("hello", attachments=[LINK])
    assert way.happened == ["BEGUN 0/2", "call hello", "SENT 0/2+", "call file file.png", "SENT 1/2"]
    given = way.channel.seen[1]
    assert given.file is not None
    assert (given.file.url, given.file.content, given.text, given.part) == ("https://x.test/1.png", b"", "a chair", 1)


async def test_stored_bytes_are_read_for_the_part_that_carries_them() -> None:
    way = carrying()
    way.stored["m1"] = PNG
    await way.carry("", attachments=[STORED])
    assert way.happened == ["BEGUN 0/1", "read m1", "call file b.png", "SENT 0/1"]
    given = way.channel.seen[0].file
    assert given is not None
    assert (given.content, given.media_type, given.name) == (PNG, "image/png", "b.png")


async def test_a_file_that_took_the_leases_time_to_read_is_not_sent_now() -> None:
    way = carrying()
    way.stored["m1"], way.read_takes_seconds = PNG, 600.0
    await way.carry("", attachments=[STORED])
    assert way.happened == ["BEGUN 0/1", "read m1", "RETRY 0/1"]
    assert way.records[-1].reason == "late"


@pytest.mark.parametrize(
    ("content", "link", "url"), [(b"words", True, "https://gw/m1"), (b"words", False, ""), (PNG, True, "")]
)
async def test_bytes_that_the_provider_does_not_take_are_given_with_their_link_where_there_is_one(
    content: bytes, link: bool, url: str
) -> None:
    async def to(_tenant_id: str, media_id: str) -> str:
        return f"https://gw/{media_id}"

    way = road(ok("0"))
    way.channel, way.link, way.stored["m1"] = Picky(), to if link else None, content
    await way.carry("", attachments=[STORED])
    given = way.channel.seen[0].file
    assert given is not None
    assert (given.url, given.content) == (url, content)


async def test_words_that_cannot_stand_under_a_file_go_before_it() -> None:
    way = carrying()
    way.stored["m1"] = PNG
    await way.carry("", attachments=[Attachment(kind=STORED.kind, media_id="m1", caption="read this")])
    assert way.happened == ["BEGUN 0/2", "call read this", "SENT 0/2+", "read m1", "call file file.png", "SENT 1/2"]


async def test_where_no_files_are_taken_their_links_are_said() -> None:
    way = road(*(ok(str(number)) for number in range(5)))
    await way.carry("", attachments=[LINK])
    said = "".join(call.removeprefix("call ") for call in way.happened if call.startswith("call "))
    assert said.replace(" ", "") == "achairhttps://x.test/1.png"


@pytest.mark.parametrize(
    ("attachment", "takes", "reason"),
    [
        (STORED, ("url",), "file_needs_url"),
        (STORED, ("bytes",), "file_not_found"),
        (OLD, ("bytes",), "file_expired"),
        (LINK, ("bytes",), "file_refused_address"),
    ],
)
async def test_a_file_that_cannot_be_given_fails_its_delivery_and_nobody_is_called(
    attachment: Attachment, takes: tuple[Way, ...], reason: str
) -> None:
    way = carrying(*takes)
    await way.carry("", attachments=[attachment])
    assert [record.reason for record in way.records] == ["", reason]
    assert way.records[-1].account_sign == ACCOUNT_SIGN_UNTOUCHED, "the provider has failed nobody"
    assert not [each for each in way.happened if each.startswith("call")]


@pytest.mark.parametrize(("before", "end"), [(0, "RETRY 0/1"), (3, "RETRY 0/1"), (4, "REJECTED 0/1")])
async def test_a_file_that_is_not_to_be_had_five_times_fails_its_delivery_and_holds_nothing_up(
    before: int, end: str
) -> None:
    way = carrying("bytes")
    await way.carry("", attempts=before, attachments=[AWAY])
    assert way.happened == ["BEGUN 0/1", "read away", end]
    said = way.records[-1]
    assert (said.reason, said.account_sign) == ("file_unreachable", ACCOUNT_SIGN_UNTOUCHED)
    assert end.startswith("REJECTED") or 5 < seconds(said.retry_after) <= 5 + 4


async def test_nothing_at_all_is_no_delivery() -> None:
    way = carrying()
    await way.carry("")
    assert [record.reason for record in way.records] == ["text_empty"]
