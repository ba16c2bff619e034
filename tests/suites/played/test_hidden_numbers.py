"""Is somebody who hides their number the person who showed it before, from the webhook on, by Meta and by Twilio?"""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from sqlmodel import col, select

from kit.ids import new_id
from parley.chat.v1.message_pb2 import OWNER_HUMAN
from parley.storage.v1.conversation_owner_pb2 import SetOwnerRequest
from parley.storage.v1.conversation_service_pb2_grpc import ConversationServiceStub
from storage_service.backends.tables import Contact, Conversation, Identity, Message, Turn
from tests.stalls import PATIENCE_SECONDS
from tests.suites.channels.golden import Capture, captures
from tests.suites.played.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHANNELS = ("whatsapp", "whatsapp_cloud")
NUMBER, USER_ID = b"14155551234", {"whatsapp": b"US.13491208655302740002", "whatsapp_cloud": b"US.13490000000000000002"}
HIDDEN = {"whatsapp": b"US.13491208655302741918", "whatsapp_cloud": b"US.13490000000000000001"}
MESSAGE_ID = {
    "whatsapp": (b"SM00112233445566778899aabbccdd0077", b"SM00112233445566778899aabbccddeeff"),
    "whatsapp_cloud": (b"wamid.GOLDEN0029==", b"wamid.GOLDEN0028=="),
}


class Person:
    """One who writes on a channel, as both ids say or as one."""

    def __init__(self, house: House, channel: str, number: int) -> None:
        self._house = house
        self._channel = channel
        self.number, self.user_id = b"1415555%04d" % number, b"US.7%021d" % number
        self._said = {each.name: each for each in captures(channel)}

    async def writes(self, name: str, text: str) -> None:
        """The captured webhook, of this person, with an id and words of its own."""
        capture = self._said[name]
        assert await self._house.post(self._house.webhook(capture, self._body(capture, text))) == 200

    def _body(self, capture: Capture, text: str) -> bytes:
        body, fresh = capture.webhook.body, new_id().replace("-", "").encode()
        for known in MESSAGE_ID[self._channel]:
            body = body.replace(known, b"SM" + fresh)
        body = body.replace(NUMBER, self.number)
        for known in (USER_ID[self._channel], HIDDEN[self._channel]):
            body = body.replace(known, self.user_id)
        if self._channel == "whatsapp":
            return body.replace(b"Body=hi", b"Body=" + text.encode())
        content: Mapping[str, Any] = orjson.loads(body)
        content["entry"][0]["changes"][0]["value"]["messages"][0]["text"]["body"] = text
        return orjson.dumps(content)

    async def chats(self) -> list[Any]:
        async with self._house.engine.connect() as connection:
            ids = [each.decode() for each in (self.number, b"+" + self.number, self.user_id)]
            wanted = (col(Conversation.account_id) == self._account, col(Conversation.chat_id).in_(ids))
            return list(await connection.execute(select(Conversation.id, Conversation.contact_id).where(*wanted)))

    async def said(self) -> list[tuple[str, bool]]:
        """What stands in the only chat, and whether a turn answers it."""
        ((conversation_id, _),) = await self.chats()
        async with self._house.engine.connect() as connection:
            theirs = select(Message.text, Message.turn_id).where(col(Message.conversation_id) == conversation_id)
            return [(text, bool(turn)) for text, turn in await connection.execute(theirs.order_by(col(Message.seq)))]

    @property
    def _account(self) -> str:
        return self._house.accounts[self._channel].id


@pytest.mark.parametrize("channel", CHANNELS)
async def test_a_human_who_took_over_is_not_talked_over_when_the_number_is_hidden(house: House, channel: str) -> None:
    ann = Person(house, channel, 1)
    await ann.writes("number_and_user_id", "hello")
    ((conversation_id, contact_id),) = await ann.chats()
    ask = SetOwnerRequest(tenant_id="default", request_id=new_id(), conversation_id=conversation_id, owner=OWNER_HUMAN)
    await ConversationServiceStub(house.mesh).SetOwner(ask, timeout=PATIENCE_SECONDS)
    await ann.writes("hidden_number", "hello again")
    assert await ann.said() == [("hello", True), ("hello again", False)]
    async with house.engine.connect() as connection:
        known = select(Identity.sender_id).where(col(Identity.contact_id) == contact_id)
        prefix = "+" if channel == "whatsapp" else ""
        ids = {prefix + ann.number.decode(), ann.user_id.decode()}
        assert set((await connection.execute(known)).scalars()) == ids


@pytest.mark.parametrize("channel", CHANNELS)
async def test_whichever_form_comes_first_or_all_at_once_there_is_one_chat(house: House, channel: str) -> None:
    for number in range(10, 20):
        one = Person(house, channel, number)
        await asyncio.gather(*(one.writes(name, name) for name in ("hidden_number", "number_and_user_id") * 3))
        assert [len(await one.said()), len(await one.chats())] == [6, 1]


async def test_nobody_is_left_over(house: House) -> None:
    async with house.engine.connect() as connection:
        known = select(Identity.contact_id)
        assert list(await connection.execute(select(Contact.id).where(col(Contact.id).not_in(known)))) == []
        open_turns = select(Turn.id).where(col(Turn.state) == "waiting")
        assert len(list(await connection.execute(open_turns))) == 2 * 11 - 2
