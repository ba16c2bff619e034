"""What does an ordinary message on Discord mean, whatever stands in it?"""

import json
from typing import Any

import pytest

from channels import discord_changes
from channels.channel import Credentials, Webhook
from channels.discord import Discord
from channels.host import Account, Verdict, heard
from kit.moments import utc_now
from parley.chat.v1 import message_pb2 as chat
from tests.simulated.discord_gateway import ME, me, message

NUMBER = "1175928847299117063"


def read(said: dict[str, Any], **added: Any) -> list[chat.ChannelMessage]:
    """As the gateway takes it in."""
    body = json.dumps({"op": 0, "t": "MESSAGE_CREATE", "s": 2, "d": said, "me": ME, "aside": False, **added}).encode()
    account = Account("account", "discord", Credentials({}))
    received = heard(Discord(), Webhook("POST", "", {}, body, utc_now()), account=account)
    assert received.verdict is Verdict.READ, received
    return list(received.messages)


def test_a_direct_message_is_its_writers_words_and_is_answered_without_quoting_it() -> None:
    (said,) = read(message(NUMBER, "When do you open?", channel="7"))
    assert (said.channel, said.chat_id, said.sender_id, said.sender_name) == ("discord", "7", "42", "Ann")
    assert (said.text, said.provider_message_id) == ("When do you open?", NUMBER)
    assert said.metadata["context"] == "bot_dm"
    assert said.provider_at.ToJsonString().startswith("2023-11-19")
    assert not said.only_if_known


def test_an_edit_at_a_time_that_the_contract_does_not_take_is_none() -> None:
    read_at = [discord_changes.moment(f"{year}-01-01T00:00:00+00:00") for year in ("0001", "1969", "2026", "9999")]
    assert [at and at.year for at in read_at] == [None, None, 2026, None]


def test_in_a_server_the_mention_that_calls_us_is_taken_off_and_people_have_names() -> None:
    ben = {"id": "43", "username": "ben", "global_name": "Ben", "member": {"nick": "Benny"}}
    text = f"<@{ME}>, ask <@!43> about <:cake:991>"
    member = {"nick": "Annie"}
    (said,) = read(message(NUMBER, text, channel="8", guild_id="500", member=member, mentions=[me(), ben]))
    assert (said.text, said.sender_name) == ("ask @Benny about :cake:", "Annie")
    assert (said.metadata["context"], said.metadata["guild_id"]) == ("guild", "500")


def test_a_mention_and_nothing_else_stays() -> None:
    (said,) = read(message(NUMBER, f"<@{ME}>", channel="8", guild_id="500", mentions=[me()]))
    assert said.text == "@parley"


def test_a_reply_names_what_it_answers() -> None:
    (said,) = read(message(NUMBER, "yes", channel="7", type=19, message_reference={"message_id": "990"}))
    assert said.reply_to_provider_message_id == "990"


def test_files_stickers_and_what_is_passed_on_are_read() -> None:
    file = {"id": "991", "filename": "a.png", "content_type": "image/png", "size": 3, "url": "https://cdn.example/a"}
    (said,) = read(message(NUMBER, "", channel="7", attachments=[file], sticker_items=[{"id": "992", "name": "wave"}]))
    assert [each.kind for each in said.attachments] == [chat.ATTACHMENT_KIND_IMAGE, chat.ATTACHMENT_KIND_STICKER]
    assert said.attachments[1].caption == "wave"
    (passed_on,) = read(message(NUMBER, "", channel="7", message_snapshots=[{"message": {"content": "look"}}]))
    assert passed_on.text == "look"
    (picture,) = read(message(NUMBER, "", channel="7", message_snapshots=[{"message": {"attachments": [file]}}]))
    assert [each.file_name for each in picture.attachments] == ["a.png"]


def test_what_a_program_posted_is_read_when_it_is_passed_on_and_a_preview_is_nobodys_words() -> None:
    shown = {"components": [{"type": 17, "components": [{"type": 10, "content": "Order 7"}]}]}
    embeds = [{"title": "Bread", "description": "2 loaves", "fields": [{"name": "Price", "value": "11"}]}]
    snapshots = [{"message": {"content": "", "embeds": embeds, **shown}}]
    (passed_on,) = read(message(NUMBER, "", channel="7", message_snapshots=snapshots))
    assert passed_on.text == "Order 7\nBread\n2 loaves\nPrice: 11"
    (said,) = read(message(NUMBER, "https://example.com", channel="7", embeds=embeds))
    assert said.text == "https://example.com"


def test_a_poll_is_its_question_and_its_answers() -> None:
    media = [{"text": "cake"}, {"text": "pie", "emoji": {"name": "🥧"}}]
    poll = {"question": {"text": "What else?"}, "answers": [{"answer_id": 1, "poll_media": each} for each in media]}
    (said,) = read(message(NUMBER, "", channel="7", poll=poll))
    assert said.text == "What else?\ncake\npie"


def test_what_was_not_said_to_us_counts_only_where_we_take_part() -> None:
    (said,) = read(message(NUMBER, "and on Sunday?", channel="9", guild_id="500"), aside=True)
    assert said.only_if_known


@pytest.mark.parametrize(
    "said",
    [
        message(NUMBER, "joined", channel="7", type=7),
        message(NUMBER, "hook", channel="7", webhook_id="44"),
        message(NUMBER, "me", channel="7", author=ME),
        message(NUMBER, "bot", channel="7") | {"author": {"id": "43", "bot": True}},
        message(NUMBER, "", channel="7"),
    ],
)
def test_what_no_person_says_is_nothing(said: dict[str, Any]) -> None:
    assert read(said) == []


def test_what_is_no_message_is_kept_unread() -> None:
    body = json.dumps({"op": 0, "t": "MESSAGE_CREATE", "d": {"content": "x", "author": {}}}).encode()
    account = Account("account", "discord", Credentials({}))
    assert heard(Discord(), Webhook("POST", "", {}, body, utc_now()), account=account).verdict is Verdict.UNREADABLE
