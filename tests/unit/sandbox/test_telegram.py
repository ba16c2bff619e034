"""Does the stand-in take what Telegram takes, and refuse the rest in Telegram's words?"""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from sandbox.provider import Account, Ask, Reply, Taken, Words
from sandbox.providers.telegram import Telegram, made_up
from tests.unit.sandbox.world import drawn

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
DRAW = drawn()
VALUES = made_up(DRAW)
TOKEN = VALUES["TELEGRAM_BOT_TOKEN"]
GOOD = {"chat_id": 4_711_001, "text": "hello"}


def telegram() -> Telegram:
    """With one person who wrote."""
    standing = Telegram(Account(VALUES, lambda: NOW, DRAW))
    standing.say("telegram", Words("hi", standing.person(0), "http://gateway.test/webhook/telegram", NOW))
    return standing


def ask(content: dict[str, Any], method: str = "sendMessage", *, token: str = TOKEN) -> Ask:
    return Ask("POST", f"/bot{token}/{method}", {"content-type": "application/json"}, orjson.dumps(content))


def test_a_good_send_is_taken_with_the_message_that_telegram_answers() -> None:
    taken = telegram().answer(ask(GOOD))
    assert isinstance(taken, Taken)
    assert (taken.to, taken.text) == ("4711001", "hello")
    result = taken.reply.content["result"]
    assert taken.reply.content["ok"] is True
    assert (str(result["message_id"]), result["chat"]["id"]) == (taken.id, 4_711_001)


@pytest.mark.parametrize(
    ("changes", "description"),
    [
        ({"chat_id": None}, "Bad Request: chat not found"),
        ({"chat_id": ""}, "Bad Request: chat_id is empty"),
        ({"chat_id": 4_711_999}, "Bad Request: chat not found"),
        ({"chat_id": "@nobody"}, "Bad Request: chat not found"),
        ({"text": ""}, "Bad Request: message text is empty"),
        ({"text": " \n"}, "Bad Request: message text is empty"),
        ({"text": 7}, "Bad Request: message text is empty"),
        ({"text": "x" * 4097}, "Bad Request: message is too long"),
        ({"text": "🙏" * 2049}, "Bad Request: message is too long"),
        ({"message_thread_id": 4}, "Bad Request: message thread not found"),
        ({"reply_parameters": {"message_id": "x"}}, "Bad Request: object expected as reply parameters"),
    ],
)
def test_what_telegram_refuses_is_refused_in_its_words(changes: dict[str, Any], description: str) -> None:
    reply = telegram().answer(ask(GOOD | changes))
    assert isinstance(reply, Reply)
    assert (reply.status, reply.content["error_code"]) == (400, 400)
    assert reply.content["description"] == description


def test_html_that_cannot_be_read_is_refused_and_what_can_is_counted_as_it_is_shown() -> None:
    reply = telegram().answer(ask(GOOD | {"text": "<b>hello", "parse_mode": "HTML"}))
    assert isinstance(reply, Reply)
    assert reply.content["description"].startswith("Bad Request: can't parse entities: Can't find end tag")
    taken = telegram().answer(ask(GOOD | {"text": f"<b>{'x' * 4096}</b>", "parse_mode": "HTML"}))
    assert isinstance(taken, Taken)
    assert taken.runs[0].styles == ("bold",)


def test_the_longest_text_is_taken() -> None:
    assert isinstance(telegram().answer(ask(GOOD | {"text": "🙏" * 2048})), Taken)


@pytest.mark.parametrize(
    ("token", "method", "status"),
    [("1:other", "sendMessage", 401), ("none", "sendMessage", 404), (TOKEN, "sendNothing", 404)],
)
def test_another_token_or_method_is_refused(token: str, method: str, status: int) -> None:
    reply = telegram().answer(ask(GOOD, method, token=token))
    assert isinstance(reply, Reply)
    assert reply.status == status
    assert reply.content["ok"] is False


def test_a_body_that_is_no_json_is_refused() -> None:
    asked = ask(GOOD)
    reply = telegram().answer(Ask("POST", asked.path, asked.headers, b"{"))
    assert isinstance(reply, Reply)
    assert reply.status == 400


def test_parameters_may_come_as_a_form_or_in_the_query() -> None:
    path = f"/bot{TOKEN}/sendmessage"
    form = Ask("POST", path, {"content-type": "application/x-www-form-urlencoded"}, b"chat_id=4711001&text=%7Bhello")
    query = Ask("GET", path, {}, b"", "chat_id=4711001&text=hello")
    taken = [telegram().answer(each) for each in (form, query)]
    assert [each.text for each in taken if isinstance(each, Taken)] == ["{hello", "hello"]


def test_a_throttled_bot_is_told_when_to_come_again() -> None:
    reply = telegram().refuse("throttled", 3)
    assert (reply.status, reply.content["parameters"]) == (429, {"retry_after": 3})


def test_a_sandbox_that_starts_again_gives_out_no_number_twice() -> None:
    first = telegram().answer(ask(GOOD))
    later = Telegram(Account(VALUES, lambda: NOW.replace(minute=1), DRAW))
    later.say("telegram", Words("hi", later.person(0), "http://gateway.test/webhook/telegram", NOW))
    second = later.answer(ask(GOOD))
    assert isinstance(first, Taken)
    assert isinstance(second, Taken)
    assert int(second.id) > int(first.id)
