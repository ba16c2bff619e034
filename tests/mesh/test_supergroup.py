"""A group on Telegram becomes a supergroup while a human has its conversation: is the human spoken over there?"""

import itertools
from typing import Any

import httpx
import pytest

from parley.chat.v1 import message_pb2 as chat
from tests.mesh.conftest import BOTH
from tests.mesh.rig import TELEGRAM_SECRET, Mesh
from tests.mesh.standing import conversation_of, give_to
from tests.mesh.world import World
from tests.waiting import until

NUMBERS = itertools.count(740_000_001)
ANN = {"id": 1111111, "is_bot": False, "first_name": "Ann"}


async def tell(mesh: Mesh, where: dict[str, Any], **said: Any) -> None:
    """What happens in a chat, as Telegram posts it."""
    message = {"message_id": 1, "from": ANN, "chat": where, "date": 1795240800, **said}
    headers = {"x-telegram-bot-api-secret-token": TELEGRAM_SECRET}
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        update = {"update_id": next(NUMBERS), "message": message}
        answer = await client.post(f"{mesh.base_url}/webhook/telegram", json=update, headers=headers)
    assert answer.status_code == 200, answer.text


@BOTH
@pytest.mark.parametrize("group_first", [True, False])
async def test_the_human_who_has_the_group_has_the_supergroup(mesh: Mesh, world: World, group_first: bool) -> None:
    number = next(NUMBERS)
    group = {"id": -number, "type": "group", "title": "Team"}
    supergroup = {"id": -1_000_000_000_000 - number, "type": "supergroup", "title": "Team"}
    moved = [(group, {"migrate_to_chat_id": supergroup["id"]}), (supergroup, {"migrate_from_chat_id": group["id"]})]
    async with mesh.storage() as storage:
        await tell(mesh, group, text="say hello", message_id=1)
        await until(lambda: world.telegram.sends.texts(str(group["id"])), 60)
        await storage.rest(60)
        conversation = await conversation_of(storage, str(group["id"]), channel="telegram")
        await give_to(storage, conversation, chat.OWNER_HUMAN)
        for where, said in moved if group_first else reversed(moved):
            await tell(mesh, where, message_id=3, **said)
        await tell(mesh, supergroup, text="say are you still there?", message_id=2)
        await storage.rest(60)
        assert await conversation_of(storage, str(supergroup["id"]), channel="telegram") == conversation
        assert world.telegram.sends.texts(str(supergroup["id"])) == []
        await give_to(storage, conversation, chat.OWNER_AGENT)
        await tell(mesh, supergroup, text="say and now?", message_id=4)
        await until(lambda: world.telegram.sends.texts(str(supergroup["id"])), 60)
    assert world.telegram.sends.texts(str(supergroup["id"])) == ["and now?"]
