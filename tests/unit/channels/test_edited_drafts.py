"""What do Discord, and Telegram's groups, hear of a reply that is being written, and how does it become the reply?"""

from typing import Any

import orjson
import pytest

from channels.channel import (
    Answer,
    Credentials,
    DeliveryError,
    Outgoing,
    Rejected,
    Sent,
    Throttled,
    Unanswered,
    Unavailable,
    Unknown,
)
from channels.discord_drafts import MARK
from channels.presence import Drafts
from channels.registry import CHANNELS
from tests.unit.channels.test_drafts import drafting, methods, run

TELEGRAM = Credentials({"bot_token": "123456:telegram-bot-token"})
DISCORD = Credentials({"bot_token": "canary.discord.token"})
DRAFT, ASKED, LOST = "990000000000000001", "880000000000000001", Unknown(provider_code="timeout")
GROUP = "-1001234567890"


def message(number: str = DRAFT, **more: Any) -> Answer:
    return Answer(200, {}, orjson.dumps({"id": number, **more}))


def no(status: int, code: int, **more: Any) -> Answer:
    return Answer(status, {}, orjson.dumps({"message": "no", "code": code, **more}))


def on_discord(**more: Any) -> Outgoing:
    given = {"delivery_id": "d1", "part": 0, "text": "whole", "chat_id": "7", "address": "discord", "reply_to": ASKED}
    return Outgoing(**{**given, **more})


def in_group(**more: Any) -> Outgoing:
    given = {"delivery_id": "d1", "part": 0, "text": "whole", "chat_id": GROUP, "address": "bot", "reply_to": "41"}
    return Outgoing(**{**given, "options": {"progressive_in_groups": "on"}, **more})


def taken(**result: Any) -> Answer:
    return Answer(200, {}, orjson.dumps({"ok": True, "result": {"message_id": 42, **result}}))


def refused(description: str, code: int = 400, **more: Any) -> Answer:
    told = {"ok": False, "error_code": code, "description": f"Bad Request: {description}", **more}
    return Answer(code, {}, orjson.dumps(told))


def test_on_discord_a_draft_is_posted_once_with_a_mark_and_quotes_the_question_and_is_edited_from_then_on() -> None:
    channel = drafting("discord")
    first, asked = run(channel.draft(on_discord(text="so far"), DISCORD, turn_id="t1"), message())
    ((_, body),) = asked
    assert (first, body["content"], body["enforce_nonce"]) == (DRAFT, f"so far{MARK}", True)
    assert body["message_reference"]["message_id"] == ASKED
    again = run(channel.draft(on_discord(), DISCORD, turn_id="t1"), LOST, message())
    assert again[1][0][1]["nonce"] == again[1][1][1]["nonce"] == body["nonce"], "so that a lost post is made once"
    second, asked = run(channel.draft(on_discord(draft=first, text="so far, on"), DISCORD, turn_id="t1"), message())
    assert (second, asked) == (DRAFT, [(DRAFT, asked[0][1])])
    assert asked[0][1]["content"] == f"so far, on{MARK}"


def test_a_draft_that_fills_its_message_is_cut_for_the_mark() -> None:
    _, asked = run(drafting("discord").draft(on_discord(text="𝄞" * 1000), DISCORD, turn_id="t1"), message())
    text = asked[0][1]["content"]
    assert text.endswith(MARK)
    assert len(text.encode("utf-16-le")) // 2 <= 2000


def test_answers_to_commands_and_groups_of_accounts_that_want_none_show_no_drafts() -> None:
    assert drafting("discord").draft_manners(on_discord(reply_to=f"interaction:{ASKED}")) is None
    assert drafting("discord").draft_manners(on_discord(reply_to=f"{ASKED}:edited:17")) is not None
    assert drafting("telegram").draft_manners(in_group(options={})) is None
    assert drafting("telegram").draft_manners(in_group(chat_id="@channel")) is None


@pytest.mark.parametrize(
    ("name", "outgoing"), [("discord", on_discord()), ("telegram", in_group(chat_id=f"{GROUP}:7"))]
)
def test_drafts_that_are_messages_stay_and_in_groups_they_count(name: str, outgoing: Outgoing) -> None:
    manners = drafting(name).draft_manners(outgoing)
    assert manners is not None
    assert (manners.stay, manners.counted) == (True, name == "telegram")


def test_on_discord_the_reply_takes_the_drafts_place_and_its_edit_may_be_made_again() -> None:
    deliver = CHANNELS["discord"].deliver
    sent, asked = run(deliver(on_discord(draft=DRAFT), DISCORD), message())
    assert (sent, asked[0][0], asked[0][1]["content"]) == (Sent(DRAFT), DRAFT, "whole")
    assert run(deliver(on_discord(draft=DRAFT), DISCORD), LOST, message())[0] == Sent(DRAFT)
    with pytest.raises(Unanswered):
        run(deliver(on_discord(draft=DRAFT), DISCORD), LOST, LOST)


@pytest.mark.parametrize("edited", [no(404, 10008), no(429, 0, retry_after=30.0, **{"global": False}), no(403, 50005)])
@pytest.mark.parametrize("deleted", [Answer(204, {}, b""), no(404, 10008), Unknown()])
def test_on_discord_a_reply_waits_for_no_draft(edited: Answer, deleted: Answer | DeliveryError) -> None:
    flow = CHANNELS["discord"].deliver(on_discord(draft=DRAFT), DISCORD)
    sent, asked = run(flow, edited, deleted, message("991"))
    assert (sent, methods(asked)) == (Sent("991"), [DRAFT, DRAFT, "messages"])
    assert asked[2][1]["enforce_nonce"] is True


def test_a_bot_that_is_too_fast_everywhere_waits_as_it_is_told() -> None:
    with pytest.raises(Throttled):
        run(
            CHANNELS["discord"].deliver(on_discord(draft=DRAFT), DISCORD),
            no(429, 0, retry_after=3.0, **{"global": True}),
        )


def test_on_discord_a_draft_of_which_nobody_heard_is_found_by_what_it_quotes_and_its_mark() -> None:
    me, other = {"id": "5", "bot": True}, {"id": "6"}
    quoting = {"message_reference": {"message_id": ASKED}}
    said = [
        {"id": "991", "author": me, "content": f"half{MARK}", **quoting},
        {"id": "992", "author": me, "content": "a reply", **quoting},
        {"id": "993", "author": other, "content": f"half{MARK}", **quoting},
        {"id": "994", "author": me, "content": f"of another turn{MARK}", "message_reference": {"message_id": "1"}},
    ]
    answers = (message("5"), Answer(200, {}, orjson.dumps(said)), Answer(204, {}, b""))
    _, asked = run(drafting("discord").retract(on_discord(), DISCORD, turn_id="t1"), *answers)
    assert methods(asked) == ["@me", "messages", "991"]
    assert asked[1][1] == {"after": ASKED, "limit": "50"}
    with pytest.raises(Rejected):
        run(drafting("discord").retract(on_discord(), DISCORD, turn_id="t1"), message("5"), no(403, 50001))


@pytest.mark.parametrize("gone", [Answer(204, {}, b""), no(404, 10008), no(404, 10003)])
def test_on_discord_what_is_not_there_is_as_good_as_taken_back(gone: Answer) -> None:
    _, asked = run(drafting("discord").retract(on_discord(draft=DRAFT), DISCORD, turn_id="t1"), gone)
    assert methods(asked) == [DRAFT]


def test_in_a_group_a_draft_is_a_message_that_quotes_the_question_and_is_edited() -> None:
    channel: Drafts = drafting("telegram")
    first, asked = run(channel.draft(in_group(chat_id=f"{GROUP}:7"), TELEGRAM, turn_id="t1"), taken())
    assert (first, methods(asked)) == ("42", ["sendMessage"])
    assert (asked[0][1]["message_thread_id"], asked[0][1]["reply_parameters"]["message_id"]) == (7, 41)
    same = refused("message is not modified: as it was")
    for answer in (taken(), same):
        second, asked = run(channel.draft(in_group(draft="42", chat_id=f"{GROUP}:7"), TELEGRAM, turn_id="t1"), answer)
        assert (second, methods(asked)) == ("42", ["editMessageText"])
    assert asked[0][1] == {
        "chat_id": int(GROUP),
        "message_id": 42,
        "text": "whole",
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }


def test_in_a_group_the_reply_takes_the_drafts_place_in_plain_where_its_html_is_refused() -> None:
    deliver = CHANNELS["telegram"].deliver
    assert run(deliver(in_group(draft="42"), TELEGRAM), taken())[0] == Sent("42")
    assert run(deliver(in_group(draft="42"), TELEGRAM), LOST, refused("message is not modified"))[0] == Sent("42")
    unread = refused("can't parse entities: x")
    sent, asked = run(deliver(in_group(draft="42", plain="plain"), TELEGRAM), unread, taken())
    assert (sent, asked[1][1]["text"]) == (Sent("42"), "plain")
    with pytest.raises(Unanswered):
        run(deliver(in_group(draft="42"), TELEGRAM), LOST, LOST)
    with pytest.raises(Throttled):
        run(deliver(in_group(draft="42"), TELEGRAM), refused("x", 429, parameters={"retry_after": 7}))


@pytest.mark.parametrize("deleted", [taken(), refused("message to delete not found"), Unknown()])
def test_in_a_group_a_draft_that_cannot_become_the_reply_makes_way_for_it(deleted: Answer | DeliveryError) -> None:
    answers = (refused("message to edit not found"), deleted, taken(message_id=43))
    sent, asked = run(CHANNELS["telegram"].deliver(in_group(draft="42"), TELEGRAM), *answers)
    assert (sent, methods(asked)) == (Sent("43"), ["editMessageText", "deleteMessage", "sendMessage"])


def test_in_a_group_a_draft_is_deleted_by_its_number_and_without_one_it_is_said_that_it_may_be_there() -> None:
    channel = drafting("telegram")
    for answer in (taken(), refused("message to delete not found")):
        _, asked = run(channel.retract(in_group(draft="42"), TELEGRAM, turn_id="t1"), answer)
        assert methods(asked) == ["deleteMessage"]
    with pytest.raises(Unavailable):
        run(channel.retract(in_group(), TELEGRAM, turn_id="t1"))
    assert run(channel.retract(in_group(chat_id="42"), TELEGRAM, turn_id="t1"))[1] == [], "a preview fades"
