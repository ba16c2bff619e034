"""What is said when a provider refuses, is ill, or quotes our own secret back at us?"""

import asyncio
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest

from channels import channel
from channels.channel import Answer, Call, DeliveryError
from channels.setup import Refused
from kit.command.asking import ask
from kit.command.findings import Level
from kit.command.screen import Mistake


def failing(error: DeliveryError) -> Generator[Call, Answer, None]:
    yield from ()
    raise error


def mistake(error: DeliveryError, **hidden: str) -> Mistake:
    with pytest.raises(Mistake) as caught:
        asyncio.run(ask(failing(error), "Twilio", hidden=hidden))
    return caught.value


@pytest.mark.parametrize(
    ("error", "words", "level"),
    [
        (channel.Throttled(retry_after=timedelta(seconds=3)), "is asked too often", Level.LOOK),
        (channel.Unavailable(provider_code="500"), "cannot say it now (500)", Level.LOOK),
        (channel.Unavailable("does not answer in time"), "does not answer in time", Level.LOOK),
        (channel.Unknown(provider_code="200"), "answers nothing that can be read (200)", Level.LOOK),
        (channel.Rejected(kind="payload"), "refuses to say", Level.BROKEN),
        (channel.Unauthorized(), "refuses the credentials", Level.BROKEN),
        (Refused("wrong token", fix="take another"), "wrong token", Level.BROKEN),
    ],
)
def test_every_way_to_fail_is_one_line_with_a_fix_and_a_level(error: DeliveryError, words: str, level: Level) -> None:
    said = mistake(error)
    assert str(said) == f"Twilio: {words}"
    assert "sent" not in str(said), "nothing is sent here"
    assert said.fix
    assert said.code == level.value


def test_what_the_refusal_itself_says_to_do_is_said() -> None:
    assert mistake(Refused("wrong token", fix="take another", provider_code="401")).fix == "take another"


def test_a_secret_that_a_provider_quotes_is_not_shown_nor_is_what_steers_a_terminal() -> None:
    error = Refused("your token canary\x1b[2J is wrong", fix="canary is no token")
    said = mistake(error, auth_token="canary")
    assert str(said) == "Twilio: your token …[2J is wrong"
    assert said.fix == "… is no token"


def test_what_the_calls_learn_is_returned() -> None:
    def learning() -> Generator[Any, Any, str]:
        yield from ()
        return "learnt"

    assert asyncio.run(ask(learning(), "Twilio", hidden={})) == "learnt"
