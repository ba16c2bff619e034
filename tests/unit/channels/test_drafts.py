"""What do Telegram and Slack hear of a reply that is being written, and how does it become the reply?"""

from collections.abc import Generator, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from channels.channel import Answer, Call, Credentials, DeliveryError, Outgoing, Sent, Throttled, Unanswered, Unknown
from channels.presence import Drafts
from channels.registry import CHANNELS

TELEGRAM = Credentials({"bot_token": "123456:telegram-bot-token"})
SLACK = Credentials({"bot_token": "xoxb-slack-bot-token"})
TS = "1700000000.000100"
Result = TypeVar("Result")


def ok(**more: Any) -> Answer:
    return Answer(200, {}, orjson.dumps({"ok": True, "ts": TS, **more}))


def no(word: str) -> Answer:
    return Answer(200, {}, orjson.dumps({"ok": False, "error": word}))


def outgoing(**more: Any) -> Outgoing:
    given = {"delivery_id": "d1", "part": 0, "text": "so far", "chat_id": "D1", "address": "slack", **more}
    return Outgoing(**given)


def run(
    flow: Generator[Call, Answer, Result], *answers: Answer | DeliveryError
) -> tuple[Result, list[tuple[str, dict[str, Any]]]]:
    """What it returns, and what was asked in between."""
    asked: list[tuple[str, dict[str, Any]]] = []
    following = iter(answers)
    try:
        call = next(flow)
        while True:
            asked.append(_read(call))
            answer = next(following)
            call = flow.send(answer) if isinstance(answer, Answer) else flow.throw(answer)
    except StopIteration as done:
        return done.value, asked


def _read(call: Call) -> tuple[str, dict[str, Any]]:
    url = urlsplit(call.url)
    body = orjson.loads(call.body) if call.body else {name: each[0] for name, each in parse_qs(url.query).items()}
    return url.path.rpartition("/")[2], body


def drafting(name: str) -> Drafts:
    channel = CHANNELS[name]
    assert isinstance(channel, Drafts)
    return channel


def methods(asked: Sequence[tuple[str, dict[str, Any]]]) -> list[str]:
    return [method for method, _ in asked]


def test_telegram_shows_a_preview_by_a_number_of_the_turns_own() -> None:
    channel = drafting("telegram")
    shown = run(channel.draft(outgoing(chat_id="42:7", text="<b>so</b> far"), TELEGRAM, turn_id="t1"), ok())
    assert shown == (
        "",
        [
            (
                "sendMessageDraft",
                {
                    "chat_id": 42,
                    "message_thread_id": 7,
                    "draft_id": shown[1][0][1]["draft_id"],
                    "text": "<b>so</b> far",
                    "parse_mode": "HTML",
                },
            )
        ],
    )
    again = run(channel.draft(outgoing(chat_id="42"), TELEGRAM, turn_id="t1"), ok())
    other = run(channel.draft(outgoing(chat_id="42"), TELEGRAM, turn_id="t2"), ok())
    assert again[1][0][1]["draft_id"] == shown[1][0][1]["draft_id"] != other[1][0][1]["draft_id"]
    manners = channel.draft_manners(outgoing(chat_id="42"))
    assert manners is not None
    assert not manners.stay


def test_slack_posts_a_draft_once_and_edits_it_from_then_on() -> None:
    channel = drafting("slack")
    first, asked = run(channel.draft(outgoing(chat_id=f"C1:{TS}"), SLACK, turn_id="t1"), ok())
    assert (first, methods(asked)) == (TS, ["chat.postMessage"])
    assert asked[0][1]["thread_ts"] == TS
    assert asked[0][1]["metadata"] == {"event_type": "parley_draft", "event_payload": {"turn_id": "t1"}}
    second, asked = run(channel.draft(outgoing(draft=first, text="so far and on"), SLACK, turn_id="t1"), ok())
    assert (second, methods(asked)) == (TS, ["chat.update"])
    assert (asked[0][1]["ts"], asked[0][1]["text"]) == (TS, "so far and on")


def test_the_reply_takes_the_drafts_place_and_is_known_as_the_reply_from_then_on() -> None:
    sent, asked = run(CHANNELS["slack"].deliver(outgoing(draft=TS, text="whole"), SLACK), ok())
    assert (sent, methods(asked)) == (Sent(TS), ["chat.update"])
    assert asked[0][1]["metadata"]["event_payload"] == {"delivery_id": "d1", "part": 0}


def test_an_edit_whose_answer_was_lost_is_made_again_and_is_never_in_doubt() -> None:
    lost = Unknown(provider_code="timeout")
    assert run(CHANNELS["slack"].deliver(outgoing(draft=TS), SLACK), lost, ok())[0] == Sent(TS)
    with pytest.raises(Unanswered):
        run(CHANNELS["slack"].deliver(outgoing(draft=TS), SLACK), lost, lost)


@pytest.mark.parametrize("deleted", [ok(), no("message_not_found"), Unknown()])
def test_a_draft_that_cannot_become_the_reply_makes_way_for_it(deleted: Answer | DeliveryError) -> None:
    answers = (no("edit_window_closed"), deleted, ok(ts="1700000009.000100"))
    sent, asked = run(CHANNELS["slack"].deliver(outgoing(draft=TS), SLACK), *answers)
    assert (sent, methods(asked)) == (Sent("1700000009.000100"), ["chat.update", "chat.delete", "chat.postMessage"])


def test_a_throttled_edit_is_waited_for_and_not_sent_another_way() -> None:
    throttled = Answer(429, {"retry-after": "3"}, b'{"ok":false,"error":"ratelimited"}')
    with pytest.raises(Throttled):
        run(CHANNELS["slack"].deliver(outgoing(draft=TS), SLACK), throttled)


def test_a_draft_is_taken_back_by_its_id() -> None:
    flow = drafting("slack").retract(outgoing(draft=TS), SLACK, turn_id="t1")
    assert methods(run(flow, ok())[1]) == ["chat.delete"]
    gone = drafting("slack").retract(outgoing(draft=TS), SLACK, turn_id="t1")
    assert methods(run(gone, no("message_not_found"))[1]) == ["chat.delete"]


def test_a_draft_whose_post_nobody_heard_of_is_found_by_its_turn() -> None:
    def brings(turn_id: str, ts: str) -> dict[str, Any]:
        return {"ts": ts, "metadata": {"event_type": "parley_draft", "event_payload": {"turn_id": turn_id}}}

    messages = [{"ts": "1.000001"}, brings("t0", "2.000002"), brings("t1", "3.000003"), {"ts": 4, "metadata": []}]
    found = run(drafting("slack").retract(outgoing(), SLACK, turn_id="t1"), ok(messages=messages), ok())
    assert methods(found[1]) == ["conversations.history", "chat.delete"]
    assert found[1][0][1] == {"channel": "D1", "include_all_metadata": "true", "limit": "15"}
    assert found[1][1][1]["ts"] == "3.000003"
    nowhere = drafting("slack").retract(outgoing(chat_id=f"C1:{TS}", reply_to="1700000001.000100"), SLACK, turn_id="t9")
    _, asked = run(nowhere, ok(messages=messages))
    assert asked[0][0] == "conversations.replies"
    assert (asked[0][1]["ts"], asked[0][1]["oldest"]) == (TS, "1700000001.000100")


def test_a_draft_that_may_still_be_there_is_told_so() -> None:
    with pytest.raises(DeliveryError):
        run(drafting("slack").retract(outgoing(draft=TS), SLACK, turn_id="t1"), no("ratelimited"))
