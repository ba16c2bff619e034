"""Where is each credential of an account taken from, and is none of them ever part of a complaint?"""

from pathlib import Path
from typing import Any

import pytest

from channels.registry import CHANNELS
from kit.command import credential_sources
from kit.command.credential_sources import Sources, completed, gather, parsed, secrets_of
from kit.command.screen import Mistake

TELEGRAM, SMS, WEBCHAT = CHANNELS["telegram"], CHANNELS["sms"], CHANNELS["webchat"]


def sources(**places: Any) -> Sources:
    return Sources(**{"given": {}, "environment": {}, "stored": {}, **places})


def test_a_credential_is_given_as_it_is_or_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("  from-the-file\n")
    given = parsed(SMS, ["account_sid=AC1=", f"auth_token=@{tmp_path}/token"])
    assert given == {"account_sid": "AC1=", "auth_token": "from-the-file"}


@pytest.mark.parametrize(
    "word", ["canary", "canary=", "canary=x", "bot_token=", "bot_token=@/no/such/canary", "bot_token=@", "=canary"]
)
def test_a_word_that_cannot_be_understood_is_not_repeated(word: str) -> None:
    with pytest.raises(Mistake) as caught:
        parsed(TELEGRAM, [word])
    assert caught.value.fix.startswith("--set ")
    assert "canary" not in str(caught.value) + caught.value.fix


def test_what_is_given_wins_then_what_is_stored_then_the_environment() -> None:
    everywhere = sources(
        given={"account_sid": "given"},
        stored={"account_sid": "stored", "auth_token": "stored"},
        environment={"account_sid": "environment", "auth_token": "environment"},
    )
    gathered = gather(SMS, everywhere, ask=None)
    assert gathered.values == {"account_sid": "given", "auth_token": "stored"}
    assert gathered.said() == "account_sid from --set, auth_token from storage"


def test_of_the_environments_own_account_the_environment_wins_as_it_will_at_the_next_start() -> None:
    values = {"bot_token": "new", "webhook_secret": "new"}
    both = sources(stored={"bot_token": "old", "webhook_secret": "old"}, environment=values, is_environments=True)
    gathered = gather(TELEGRAM, both, ask=None)
    assert gathered.values == values
    assert gathered.said() == "bot_token from TELEGRAM_BOT_TOKEN, webhook_secret from TELEGRAM_WEBHOOK_SECRET"


def test_another_bot_gets_a_webhook_secret_of_its_own() -> None:
    second = sources(
        given={"bot_token": "second"}, environment={"webhook_secret": "of the first"}, made_up=("webhook_secret",)
    )
    gathered = gather(TELEGRAM, second, ask=None)
    assert gathered.values == {"bot_token": "second"}
    whole = completed(TELEGRAM, gathered, sources=second, random_secret=lambda: "drawn")
    assert whole.values == {"bot_token": "second", "webhook_secret": "drawn"}
    assert whole.said() == "bot_token from --set, webhook_secret from chance"


def test_a_webhook_secret_that_is_stored_is_kept_when_the_token_changes() -> None:
    rotated = sources(given={"bot_token": "new"}, stored={"webhook_secret": "kept"}, made_up=("webhook_secret",))
    gathered = gather(TELEGRAM, rotated, ask=None)
    whole = completed(TELEGRAM, gathered, sources=rotated, random_secret=lambda: "drawn")
    assert whole.values == {"bot_token": "new", "webhook_secret": "kept"}


def test_a_person_is_asked_for_what_is_needed_and_for_nothing_else() -> None:
    asked: list[str] = []

    def ask(wanted: Any) -> str:
        asked.append(wanted.name)
        return f" typed {wanted.name} "

    gathered = gather(SMS, sources(given={"account_sid": "AC1"}), ask=ask)
    assert asked == ["auth_token"]
    assert gathered.values == {"account_sid": "AC1", "auth_token": "typed auth_token"}
    assert gathered.said() == "account_sid from --set, auth_token from you"


def test_what_is_missing_where_nobody_can_be_asked_is_named_with_every_way_to_give_it() -> None:
    with pytest.raises(Mistake) as caught:
        gather(SMS, sources(), ask=None)
    assert str(caught.value) == "sms needs account_sid and auth_token"
    assert caught.value.fix == "--set account_sid=@FILE, or TWILIO_ACCOUNT_SID in the environment; " + (
        "on a terminal you are asked"
    )
    with pytest.raises(Mistake):
        gather(SMS, sources(), ask=lambda _wanted: "  ")


def test_the_key_of_a_web_chat_is_drawn() -> None:
    nothing = sources()
    gathered = gather(WEBCHAT, nothing, ask=None)
    whole = completed(WEBCHAT, gathered, sources=nothing, random_secret=lambda: "drawn")
    assert whole.values == {"session_key": "drawn"}


def test_what_is_secret_is_known_and_no_repr_shows_it() -> None:
    values = {"account_sid": "AC1", "auth_token": "canary", "auth_token_secondary": ""}
    assert secrets_of(SMS, values) == {"auth_token": "canary"}
    shown = repr(sources(given=values)) + repr(credential_sources.Gathered(values))
    assert "canary" not in shown
