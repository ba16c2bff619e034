"""Can an account be set up at a stand-in as at its provider: asked whose it is, told where to post, and cleared?"""

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest

from channels.channel import Credentials
from channels.registry import CHANNELS
from channels.setup import NEVER, Candidate
from channels.setup_registry import SETUPS
from kit.command import asking
from kit.command.screen import Mistake
from tests.suites.sandbox.conftest import World
from tests.suites.sandbox.test_official_clients import bot, twilio

PUBLIC = "http://localhost:8080"


def candidate(world: World, channel: str, **change: str) -> Candidate:
    """The sandbox's account, as the mesh has it."""
    known = CHANNELS[channel]
    values = {each.name: world.values.get(each.environment, "") for each in known.credential_fields}
    return Candidate(
        address=world.values.get(known.address_environment, ""),
        credentials=Credentials({**values, **change}),
        public_base_url=PUBLIC,
        webhook_path=f"/webhook/{channel}/k3y",
        api_base_url=f"{world.url}/{known.provider}",
    )


async def ask(question: Any) -> Any:
    return await asking.ask(question, "it", hidden={})


@pytest.mark.parametrize("channel", sorted(SETUPS))
async def test_each_stand_in_knows_its_account_and_no_other_credentials(world: World, channel: str) -> None:
    known = await ask(SETUPS[channel].probe(candidate(world, channel)))
    assert known.name in ("Sandbox", "Parley", "sandbox")
    assert known.expires_at == (NEVER if channel == "whatsapp_cloud" else None)
    wrong = {
        "bot_token": {"telegram": "1:x", "slack": "xoxb-other"}.get(channel, "other.bot.token"),
        "auth_token": "0" * 32,
        "access_token": "EAAother",
    }
    [name] = [each.name for each in CHANNELS[channel].credential_fields if each.name in wrong]
    with pytest.raises(Mistake):
        await ask(SETUPS[channel].probe(candidate(world, channel, **{name: wrong[name]})))


@pytest.mark.parametrize("channel", ["telegram", "discord"])
async def test_where_webhooks_go_is_set_and_that_is_where_they_go(world: World, channel: str) -> None:
    setup, wanted = SETUPS[channel], candidate(world, channel)
    assert not (await ask(setup.inspect(wanted)))[0].good
    await ask(setup.register(wanted))
    assert (await ask(setup.inspect(wanted)))[0].good
    assert await ask(setup.unregister(wanted)) is True
    assert await ask(setup.unregister(wanted)) is False
    assert await world.do(channel, "say", text="nobody hears this") == 200
    assert world.posted == []


async def test_lines_webhook_is_set_and_its_own_test_asks_the_gateway(world: World) -> None:
    setup, wanted = SETUPS["line"], candidate(world, "line")
    assert not (await ask(setup.inspect(wanted)))[0].good
    here = replace(wanted, public_base_url=world.gateway_url)
    await ask(setup.register(here))
    assert [each.good for each in await ask(setup.inspect(here))] == [True, True]
    [tried] = world.posted
    assert (tried.path, orjson.loads(tried.body)["events"]) == ("/webhook/line/k3y", [])
    assert "x-line-signature" in tried.headers
    await ask(setup.register(wanted))  # where no gateway is
    assert "does not reach it" in (await ask(setup.inspect(wanted)))[-1].found


async def test_telegrams_bot_sets_its_webhook_with_a_secret_and_updates_go_there(world: World) -> None:
    async with bot(world) as client:
        before = (await client.get_webhook_info()).url
        url = before.replace("/webhook/telegram", "/webhook/telegram/another")
        assert await client.set_webhook(url, secret_token="chosen-anew", allowed_updates=["message"])
        info = await client.get_webhook_info()
        assert (info.url, info.pending_update_count, info.allowed_updates) == (url, 0, ("message",))
        assert await world.do("telegram", "say", text="hi") == 200
        async with asyncio.timeout(30):
            while not world.posted:
                await asyncio.sleep(0.01)
        assert world.posted[0].path == "/webhook/telegram/another"
        assert world.posted[0].headers["x-telegram-bot-api-secret-token"] == "chosen-anew"
        assert await client.delete_webhook()
        assert (await client.get_webhook_info()).url == ""


async def test_twilios_client_looks_up_the_account_and_its_number(world: World) -> None:
    with twilio(world) as client:
        account = await asyncio.to_thread(client.api.accounts(world.values["TWILIO_ACCOUNT_SID"]).fetch)
        assert (account.status, account.friendly_name) == ("active", "Sandbox")
        own = world.values["TWILIO_PHONE_NUMBER"]
        (number,) = await asyncio.to_thread(client.incoming_phone_numbers.list, phone_number=own)
        assert (number.phone_number, number.capabilities["sms"]) == (own, True)
        assert number.sms_url.endswith("/webhook/sms")
        assert await asyncio.to_thread(client.incoming_phone_numbers.list, phone_number="+14155550199") == []
