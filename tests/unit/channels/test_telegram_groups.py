"""A bot hears all of a group, as its admin or without privacy: what of it is said to the bot, and what to others?"""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from channels.channel import Credentials, Webhook
from channels.host import Account, heard, receive
from channels.telegram import HEADER, Telegram
from parley.chat.v1.message_pb2 import ChannelMessage

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
CREDENTIALS = Credentials({"bot_token": "123456:abc", "webhook_secret": "secret"})
GROUP = {"id": -1001234567890, "type": "supergroup", "title": "Team"}
PRIVATE = {"id": 1111111, "type": "private", "first_name": "Ann"}
OURS, ANOTHER = ({"id": 9, "is_bot": True, "first_name": "Bot", "username": name} for name in ("Example_Bot", "bobot"))


def message(
    text: str, chat: dict[str, Any] | None = None, *, kind: str = "message", caption: bool = False, **more: Any
) -> dict[str, Any]:
    words = {"caption": text, "photo": [{"file_id": "f"}]} if caption else {"text": text}
    sender = {"id": 1111111, "is_bot": False, "first_name": "Ann"}
    said = {"message_id": 42, "from": sender, "chat": chat or GROUP, "date": 1795240800, **words, **more}
    return {"update_id": 7, kind: said}


def read(update: dict[str, Any], address: str = "@example_bot", **options: str) -> ChannelMessage:
    webhook = Webhook("POST", "https://x/webhook/telegram/k", {HEADER: "secret"}, orjson.dumps(update), NOW)
    account = Account("a", address, CREDENTIALS, options)
    (said,) = receive(Telegram(), webhook, account=account).messages
    assert heard(Telegram(), webhook, account=account).messages == (said,)
    return said


def under(sender: dict[str, Any]) -> dict[str, Any]:
    return {"reply_to_message": {"message_id": 30, "from": sender, "chat": GROUP, "text": "which?"}}


TO_US = [
    message("@example_bot when do you open?"),
    message("ask @Example_Bot, please"),
    message("what is this, @example_bot?", caption=True),
    message("this one", **under(OURS)),
    message("/reset"),
    message("/reset@example_bot"),
    message("/model@EXAMPLE_BOT fast"),
    message("@example_bot open?", kind="edited_message"),
    message("Bob, can you bring the keys?", PRIVATE),
    message("/reset@other_bot", PRIVATE),
    message("hello", direct_messages_topic={"topic_id": 5, "user": {"id": 5, "first_name": "Ann"}}),
]
TO_OTHERS = [
    message("Bob, can you bring the keys?"),
    message("look", caption=True),
    message("yes", **under({"id": 2, "is_bot": False, "first_name": "Bob"})),
    message("this one", **under(ANOTHER)),
    message("/reset@other_bot"),
    message("/reset@example_bot2 now"),
    message("mail me at ann@example_bots.example"),
    message("Bob, the keys!", kind="edited_message"),
]


@pytest.mark.parametrize("update", TO_US)
def test_what_names_the_bot_answers_it_or_is_its_command_is_answered(update: dict[str, Any]) -> None:
    said = read(update)
    assert (said.no_turn, said.only_if_known) == (False, False)


@pytest.mark.parametrize("update", TO_OTHERS)
def test_what_people_say_to_each_other_is_kept_where_the_bot_takes_part_and_not_answered(
    update: dict[str, Any],
) -> None:
    said = read(update)
    assert (said.no_turn, said.only_if_known) == (True, True)


@pytest.mark.parametrize("update", TO_OTHERS)
def test_an_account_may_want_to_answer_everybody(update: dict[str, Any]) -> None:
    said = read(update, unaddressed="all")
    assert (said.no_turn, said.only_if_known) == (False, False)


@pytest.mark.parametrize("update", TO_OTHERS)
def test_who_does_not_know_the_bots_name_cannot_tell(update: dict[str, Any]) -> None:
    said = read(update, address="telegram")
    assert (said.no_turn, said.only_if_known) == (False, False)


@pytest.mark.parametrize("update", TO_OTHERS)
def test_an_account_with_another_address_may_know_the_bots_name(update: dict[str, Any]) -> None:
    said = read(update, address="telegram", bot_name="@example_bot")
    assert (said.no_turn, said.only_if_known) == (True, True)


def test_a_pressed_button_is_said_to_the_bot() -> None:
    query = {
        "id": "1",
        "from": {"id": 5, "first_name": "Ann"},
        "data": "yes",
        "message": {"message_id": 3, "chat": GROUP},
    }
    assert not read({"update_id": 7, "callback_query": query}).no_turn
