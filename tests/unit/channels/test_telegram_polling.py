"""Is a Telegram bot heard by asking, with nothing confirmed that is not durable?"""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from channels.channel import Answer, Call, Credentials, Unauthorized, Unavailable
from channels.listening import Listened, Note, Pause, Step, Steps, Take, Taken
from channels.telegram_polling import TelegramPolling
from channels.telegram_updates import ALLOWED_UPDATES
from tests.suites.channels.described import complaints

TOKEN = "123456:canary"


class Ear:
    """Who does the steps; it stops at those that a test answers itself."""

    def __init__(self, token: str = TOKEN) -> None:
        listened = Listened("@bot", Credentials({"bot_token": token}), draw=lambda: 1.0)
        self.steps: Steps = TelegramPolling().listen(listened)
        self.notes: list[Note] = []
        self.at: Step = self._on(next(self.steps))

    def _on(self, step: Step) -> Step:
        while isinstance(step, Note):
            self.notes.append(step)
            step = self.steps.send(None)
        if isinstance(step, Call):
            body = json.loads(step.body) if step.body else None
            found = complaints("telegram", method=step.method, url=step.url, headers=step.headers, body=body)
            assert found == []
        return step

    def send(self, result: Any) -> Step:
        self.at = self._on(self.steps.send(result))
        return self.at

    def fails(self, failure: Exception) -> Step:
        self.at = self._on(self.steps.throw(failure))
        return self.at

    def says(self, status: int = 200, **content: Any) -> Step:
        """Telegram answers the call."""
        return self.send(Answer(status, {}, json.dumps(content).encode()))

    def finds(self, result: object) -> Step:
        return self.says(ok=True, result=result)

    def asks_for(self) -> str:
        """The method that is called now."""
        return self.asked[0]

    @property
    def asked(self) -> tuple[str, dict[str, Any]]:
        assert isinstance(self.at, Call), self.at
        return self.at.url.rpartition("/")[2], json.loads(self.at.body)


@pytest.fixture
def ear() -> Ear:
    """It has found no webhook, and asks for updates."""
    made = Ear()
    made.finds({"url": ""})
    return made


def update(number: int, text: str = "hello") -> dict[str, Any]:
    return {"update_id": number, "message": {"message_id": number, "text": text}}


def taken(ear: Ear, numbers: Sequence[int]) -> None:
    for number in numbers:
        assert isinstance(ear.at, Take)
        assert json.loads(ear.at.body)["update_id"] == number
        ear.send(Taken(b"{}"))


def test_a_webhook_is_taken_away_with_nothing_dropped_and_it_is_said_whose_it_was() -> None:
    ear = Ear()
    ear.finds({"url": "https://chat.example.com/webhook/telegram/secret-key"})
    assert ear.asked == ("deleteWebhook", {"drop_pending_updates": False})
    assert "chat.example.com" in ear.notes[-1].reason
    assert "secret-key" not in ear.notes[-1].reason
    ear.finds(True)
    assert ear.asks_for() == "getUpdates"


def test_the_first_question_is_answered_at_once_and_later_ones_wait(ear: Ear) -> None:
    assert ear.asked == ("getUpdates", {"timeout": 0, "allowed_updates": list(ALLOWED_UPDATES)})
    ear.finds([])
    assert ear.notes[-1].state == "listening"
    assert ear.asked[1]["timeout"] == 25
    assert isinstance(ear.at, Call)
    assert ear.at.timeout_seconds > 25


def test_updates_are_confirmed_by_the_next_question_when_each_is_durable(ear: Ear) -> None:
    ear.finds([update(7), update(8)])
    taken(ear, [7, 8])
    assert ear.asked[1]["offset"] == 9


def test_a_text_that_is_half_an_emoji_is_taken_in_and_does_not_come_for_ever(ear: Ear) -> None:
    ear.finds([update(7, "half \ud83d"), update(8)])
    taken(ear, [7, 8])
    assert ear.asked[1]["offset"] == 9


def test_what_storage_does_not_take_is_said_again_and_nothing_is_confirmed_meanwhile(ear: Ear) -> None:
    ear.finds([update(7), update(8)])
    for _ in range(3):
        assert isinstance(ear.at, Take)
        assert isinstance(ear.send(None), Pause)
        assert ear.notes[-1].state == "troubled"
        ear.send(None)
    taken(ear, [7, 8])
    assert ear.asked[1]["offset"] == 9


def test_a_question_that_was_lost_is_asked_again_with_the_same_confirmation(ear: Ear) -> None:
    ear.finds([update(7)])
    taken(ear, [7])
    assert isinstance(ear.fails(Unavailable("no answer in time")), Pause)
    ear.send(None)
    assert ear.asked[1]["offset"] == 8


def test_nothing_is_confirmed_twice_since_after_a_quiet_week_telegram_counts_from_anywhere(ear: Ear) -> None:
    ear.finds([update(7_000_000)])
    taken(ear, [7_000_000])
    ear.finds([])
    assert "offset" not in ear.asked[1]
    ear.finds([update(12)])
    taken(ear, [12])
    assert ear.asked[1]["offset"] == 13


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Conflict: can't use getUpdates method while webhook is active; use deleteWebhook", "webhook"),
        ("Conflict: terminated by other getUpdates request; make sure that only one", "another program"),
    ],
)
def test_a_conflict_says_what_it_is_and_is_not_made_worse(ear: Ear, said: str, reason: str) -> None:
    pause = ear.says(409, ok=False, error_code=409, description=said)
    assert isinstance(pause, Pause)
    assert pause.seconds >= 5
    assert (ear.notes[-1].state, reason in ear.notes[-1].reason) == ("troubled", True)
    ear.send(None)
    assert ear.asked[0] == "getUpdates"
    ear.finds([])
    assert ear.notes[-1] == Note("listening")


@pytest.mark.parametrize("code", [401, 404])
def test_a_token_that_telegram_does_not_know_needs_a_person(ear: Ear, code: int) -> None:
    with pytest.raises(Unauthorized) as refused:
        ear.says(code, ok=False, error_code=code, description="Unauthorized")
    assert "canary" not in str(refused.value)


def test_what_is_no_token_is_put_into_no_url() -> None:
    with pytest.raises(Unauthorized):
        Ear(token="../../etc")


def test_telegram_says_how_long_to_wait_and_is_obeyed(ear: Ear) -> None:
    pause = ear.says(429, ok=False, error_code=429, description="Too Many Requests", parameters={"retry_after": 33})
    assert pause == Pause(33)


def test_whatever_else_answers_is_asked_again_less_and_less_often(ear: Ear) -> None:
    waits = []
    for _ in range(8):
        pause = ear.send(Answer(502, {}, b"<html>"))
        assert isinstance(pause, Pause)
        waits.append(pause.seconds)
        ear.send(None)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_what_is_no_update_is_not_asked_for_again_and_again(ear: Ear) -> None:
    ear.finds([{"no": "number"}])
    assert isinstance(ear.at, Take)
    assert isinstance(ear.send(Taken(b"{}")), Pause)
