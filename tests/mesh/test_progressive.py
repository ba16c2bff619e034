"""Does a person see a reply while it is written, and then the reply itself, once, whatever happens between?"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from channels.discord_drafts import MARK
from channels.discord_ids import id_at
from kit.moments import utc_now
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import conversation_owner_pb2 as owning
from parley.storage.v1 import conversation_service_pb2 as conversations
from tests.mesh.conftest import BOTH, FULL
from tests.mesh.listened import account, held_by
from tests.mesh.rig import TENANT, Mesh, Storage
from tests.mesh.talk import Talk, person
from tests.mesh.world import World
from tests.simulated.discord import PUBLIC_KEY
from tests.simulated.discord_gateway import message
from tests.stalls import PATIENCE_SECONDS
from tests.waiting import until

TEXT = "One is here. Two is here. Three comes later. Four comes last."
SEEN = "One is here. "


@pytest.fixture
def halting(world: World) -> Iterator[World]:
    """A world whose model stops half-way until it is told to go on."""
    world.run(world.ollama.switch("paused"))
    yield world
    world.run(world.ollama.switch("ok"))
    world.slack.mode = "ok"
    world.discord.editable = True


def go_on(world: World) -> None:
    world.run(world.ollama.switch("ok"))


def somebody() -> str:
    return person().lstrip("+")


@BOTH
async def test_on_telegram_a_preview_is_followed_by_the_message(mesh: Mesh, halting: World) -> None:
    who, telegram = somebody(), halting.telegram
    async with Talk(mesh) as talk, mesh.storage() as storage, storage.progressive():
        await talk.say("telegram", f"say {TEXT}", who)
        await until(lambda: [text for to, _, text in telegram.drafts if to == who and text.startswith(SEEN.strip())])
        assert telegram.sends.to(who) == []
        go_on(halting)
        await until(lambda: telegram.sends.to(who))
    assert [each.text for each in telegram.sends.to(who)] == [TEXT]
    assert len({number for to, number, _ in telegram.drafts if to == who}) == 1
    assert all(TEXT.startswith(text) for to, _, text in telegram.drafts if to == who)


@BOTH
async def test_on_slack_the_draft_becomes_the_reply(mesh: Mesh, halting: World) -> None:
    who, slack = somebody(), halting.slack
    async with Talk(mesh) as talk, mesh.storage() as storage, storage.progressive():
        await talk.say("slack", f"say {TEXT}", f"U{who}")
        await until(lambda: slack.shown(f"D{who}"))
        assert TEXT.startswith(slack.shown(f"D{who}")[0])
        go_on(halting)
        await until(lambda: slack.shown(f"D{who}") == [TEXT])
        await storage.rest(60)
    assert len(slack.sends.to(f"D{who}")) == 1, "posted once, and edited from then on"
    assert slack.deleted == [] or who not in str(slack.deleted)


@BOTH
@pytest.mark.parametrize("editable", [True, False])
async def test_on_discord_the_draft_becomes_the_reply_or_makes_way_for_it(
    mesh: Mesh, halting: World, editable: bool
) -> None:
    discord = halting.discord
    async with mesh.storage() as storage, a_bot(storage, halting):
        chat = ask_on_discord(halting)
        await until(lambda: discord.shown(chat), 60)
        assert discord.shown(chat)[0].endswith(MARK)
        discord.editable = editable
        go_on(halting)
        await until(lambda: discord.shown(chat) == [TEXT], 60)
        await storage.rest(60)
    assert discord.shown(chat) == [TEXT]
    assert len(discord.sends.to(chat)) == (1 if editable else 2), "a 429 for the edit delays nothing"


@BOTH
async def test_in_a_group_on_telegram_the_draft_becomes_the_reply_where_the_account_wants_it(
    mesh: Mesh, halting: World
) -> None:
    telegram, bot = halting.telegram, {"bot_token": halting.telegram.bot_token}
    options = {"progressive": "on", "progressive_in_groups": "on"}
    async with mesh.storage() as storage, account(storage, "telegram", bot, options=options) as listened:
        await held_by(storage, listened.id)
        who = int(somebody())
        telegram.write(f"say {TEXT}", chat_id=-who, number=who)
        await until(lambda: telegram.shown(str(-who)), 60)
        assert TEXT.startswith(telegram.shown(str(-who))[0])
        go_on(halting)
        await until(lambda: telegram.shown(str(-who)) == [TEXT], 60)
        await storage.rest(60)
    assert len(telegram.sends.to(str(-who))) == 1, "posted once, and edited from then on"


@BOTH
async def test_a_draft_that_cannot_be_edited_makes_way_for_the_reply(mesh: Mesh, halting: World) -> None:
    who, slack = somebody(), halting.slack
    async with Talk(mesh) as talk, mesh.storage() as storage, storage.progressive():
        await talk.say("slack", f"say {TEXT}", f"U{who}")
        await until(lambda: slack.shown(f"D{who}"))
        slack.mode = "uneditable"
        go_on(halting)
        await until(lambda: slack.shown(f"D{who}") == [TEXT])


@BOTH
async def test_a_page_sees_it_come_and_then_the_message(mesh: Mesh, halting: World) -> None:
    async with Talk(mesh) as talk, mesh.storage() as storage, storage.progressive():
        visit = await talk.chat(f"say {TEXT}")
        conversation = await _newest(storage)
        watch = conversations.WatchMessagesRequest(tenant_id=TENANT, conversation_id=conversation)
        heard: list[tuple[str, list[str]]] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for each in storage.conversations.WatchMessages(
                watch, metadata=storage.metadata, timeout=PATIENCE_SECONDS
            ):
                heard.append((each.draft, [message.text for message in each.messages]))
                if each.draft:
                    go_on(halting)
                if TEXT in heard[-1][1]:
                    break
        assert heard[-1][0] == "", "what is drafted goes with the message that it became"
        assert any(draft and TEXT.startswith(draft) for draft, _ in heard)
        assert (await visit.texts())[-1] == TEXT


@BOTH
async def test_a_human_who_takes_over_ends_it_and_the_draft_goes(mesh: Mesh, halting: World) -> None:
    who, slack = somebody(), halting.slack
    async with Talk(mesh) as talk, mesh.storage() as storage, storage.progressive():
        await talk.say("slack", f"say {TEXT}", f"U{who}")
        await until(lambda: slack.shown(f"D{who}"))
        await _take_over(storage, await _newest(storage))
        await until(lambda: slack.shown(f"D{who}") == [])
        go_on(halting)
        await storage.rest(60)
        assert slack.shown(f"D{who}") == []
    assert len(slack.sends.to(f"D{who}")) == 1


@FULL
@pytest.mark.parametrize("service", ["sender", "agent", "storage"])
async def test_whoever_is_killed_half_way_one_reply_stands_there(mesh: Mesh, halting: World, service: str) -> None:
    who, slack = somebody(), halting.slack
    async with Talk(mesh) as talk, mesh.storage() as storage, storage.progressive():
        await talk.say("slack", f"say {TEXT}", f"U{who}")
        await until(lambda: slack.shown(f"D{who}"))
        mesh.kill(service)
        mesh.start(service)
        go_on(halting)
        await until(lambda: slack.shown(f"D{who}") == [TEXT], 60)
        await asyncio.to_thread(mesh.wait_ready, mesh.base_url)


@FULL
async def test_on_discord_one_reply_stands_there_when_the_sender_is_killed_half_way(mesh: Mesh, halting: World) -> None:
    async with mesh.storage() as storage, a_bot(storage, halting):
        chat = ask_on_discord(halting)
        await until(lambda: halting.discord.shown(chat), 60)
        mesh.kill("sender")
        mesh.start("sender")
        go_on(halting)
        await until(lambda: halting.discord.shown(chat) == [TEXT], 60)
        await asyncio.to_thread(mesh.wait_ready, mesh.base_url)


@BOTH
async def test_a_model_that_breaks_off_is_asked_anew(mesh: Mesh, world: World) -> None:
    who = somebody()
    world.run(world.ollama.switch("half"))
    try:
        async with Talk(mesh) as talk, mesh.storage() as storage, storage.progressive():
            await talk.say("telegram", f"say {TEXT}", who)
            await until(lambda: world.ollama.chats)
            go_on(world)
            await until(lambda: world.telegram.sends.to(who), 60)
    finally:
        go_on(world)
    assert len(world.telegram.sends.to(who)) == 1


@asynccontextmanager
async def a_bot(storage: Storage, world: World) -> AsyncIterator[None]:
    """One on Discord that hears ordinary messages."""
    secrets = {"bot_token": world.discord.bot_token, "public_key": PUBLIC_KEY}
    async with account(storage, "discord", secrets, options={"progressive": "on"}) as bot:
        await held_by(storage, bot.id)
        await until(lambda: world.discord.gateway.is_heard, 60)
        yield


def ask_on_discord(world: World) -> str:
    """Which direct message somebody asks in."""
    chat = somebody()
    gateway, said = world.discord.gateway, message(id_at(utc_now(), chat), f"say {TEXT}", channel=chat)
    world.run(gateway.do(lambda: gateway.dispatch("MESSAGE_CREATE", said)))
    return chat


async def _newest(storage: Storage) -> str:
    listing = conversations.ListConversationsRequest(tenant_id=TENANT, page_size=1)
    listed = await storage.conversations.ListConversations(listing, metadata=storage.metadata, timeout=PATIENCE_SECONDS)
    return listed.conversations[0].id


async def _take_over(storage: Storage, conversation_id: str) -> None:
    request = owning.SetOwnerRequest(
        tenant_id=TENANT, request_id=f"take {conversation_id}", conversation_id=conversation_id, owner=chat.OWNER_HUMAN
    )
    await storage.conversations.SetOwner(request, metadata=storage.metadata, timeout=PATIENCE_SECONDS)
