"""The environment's token is another bot's now, which counts from 1 as the one before: are its first messages heard?"""

from pathlib import Path
from typing import Any

import pytest

from tests.suites.gateway.conftest import ADDRESSES, CREDENTIALS, World, running

SECRETS = CREDENTIALS["telegram"]
BEFORE, NOW = SECRETS["bot_token"], "222:the-bot-of-the-shop"


async def told(world: World) -> list[tuple[str, ...]]:
    """Posts a message twice, and says by which number it was brought to storage, and whose that is."""
    webhook = world.webhook("telegram", "hello")
    for _ in range(2):
        assert (await world.post(webhook)).status_code == 200
    (said,) = [each for rows in world.peer.messages.values() for each in rows if each.text == "hello"]
    brought = [each.provider_message_id for submission in world.peer.submissions for each in submission.messages]
    assert brought == [said.provider_message_id] * 2
    return [tuple(each.split(":")) for each in brought]


@pytest.mark.parametrize(("token", "whose"), [(NOW, ["222"]), (BEFORE, [])])
async def test_another_bots_messages_are_not_those_of_the_one_before(
    tmp_path: Path, token: str, whose: list[str]
) -> None:
    given: dict[str, Any] = {"telegram_bot_token": token, "telegram_webhook_secret": SECRETS["webhook_secret"]}
    async with running(tmp_path, **given) as world:
        account = world.peer.accounts[f"telegram/{ADDRESSES['telegram']}"]
        assert account.credentials["bot_token"] == token
        assert [each[1:] for each in await told(world)] == [tuple(whose)] * 2


@pytest.mark.parametrize(("token", "name"), [(NOW, ""), (BEFORE, "@our_bot")])
async def test_another_bot_is_not_called_by_the_name_of_the_one_before(tmp_path: Path, token: str, name: str) -> None:
    given: dict[str, Any] = {"telegram_bot_token": token, "telegram_webhook_secret": SECRETS["webhook_secret"]}
    async with running(tmp_path, options={"telegram": {"bot_name": "@our_bot"}}, **given) as world:
        account = world.peer.accounts[f"telegram/{ADDRESSES['telegram']}"].account
        assert account.options.get("bot_name", "") == name
