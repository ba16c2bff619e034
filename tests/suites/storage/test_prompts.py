"""Which version of a prompt do new conversations get, and which do those keep that have begun?"""

import json

import pytest

from kit.errors import NotFound, ScopeMissing
from parley.storage.v1 import directory_requests_pb2 as requests
from tests.suites.storage.hot import TENANT, Store
from tests.suites.storage.world import World


async def add(world: World, text: str, *, live: bool = False, tenant_id: str = TENANT) -> None:
    ask = requests.CreatePromptVersionRequest(
        tenant_id=tenant_id, request_id=text, prompt_name="p", text=text, live=live
    )
    await world.mesh.call("CreatePromptVersion", ask)


def live(number: int, prompt_name: str = "p", tenant_id: str = TENANT) -> requests.SetLivePromptVersionRequest:
    return requests.SetLivePromptVersionRequest(tenant_id=tenant_id, prompt_name=prompt_name, number=number)


async def listed(world: World) -> list[tuple[int, bool]]:
    ask = requests.ListPromptVersionsRequest(tenant_id=TENANT, prompt_name="p")
    return [(each.number, each.live) for each in (await world.mesh.call("ListPromptVersions", ask)).versions]


async def told(store: Store, chat_id: str) -> str:
    """What the agent is told in a chat."""
    await store.hear("hi", chat_id=chat_id)
    (turn,) = await store.lease()
    await store.commit(turn, "hello")
    return turn.setting.system_prompt


async def test_new_conversations_get_the_version_that_is_live_and_old_ones_keep_theirs(
    store: Store, world: World
) -> None:
    await add(world, "Be brief.")
    assert await told(store, "first") == "Be kind."
    shown = await world.mesh.call("SetLivePromptVersion", live(2))
    assert (shown.version.number, shown.version.live, shown.version.text) == (2, True, "Be brief.")
    assert (await told(store, "second"), await told(store, "first")) == ("Be brief.", "Be kind.")
    assert await listed(world) == [(2, True), (1, False)]
    await world.mesh.call("SetLivePromptVersion", live(1))
    assert (await told(store, "third"), await told(store, "second")) == ("Be kind.", "Be brief.")
    assert await listed(world) == [(2, False), (1, True)]


async def test_each_change_is_in_the_audit_and_what_changes_nothing_is_not(store: Store, world: World) -> None:
    await add(world, "Be brief.")
    for number in (2, 2, 1):
        await world.mesh.call("SetLivePromptVersion", live(number))
    rows = await store.fetch("SELECT resource, resource_id, detail FROM audit WHERE action = 'prompt.live' ORDER BY id")
    assert [(row[0], row[1], json.loads(row[2])) for row in rows] == [
        ("prompt", "p", {"number": 2}),
        ("prompt", "p", {"number": 1}),
    ]


@pytest.mark.parametrize("ask", [live(9), live(1, "nobody"), live(1, tenant_id="other")])
async def test_a_version_or_a_prompt_that_is_not_there_is_not_found(
    store: Store, world: World, ask: requests.SetLivePromptVersionRequest
) -> None:
    await world.tenant("other")
    assert isinstance(await world.mesh.refusal("SetLivePromptVersion", ask), NotFound)
    assert await listed(world) == [(1, True)]
    assert await store.fetch("SELECT 1 FROM audit WHERE action = 'prompt.live'") == []


async def test_a_number_is_that_of_a_version_of_this_prompt_only(world: World) -> None:
    ask = requests.CreatePromptVersionRequest(tenant_id=TENANT, request_id="1", prompt_name="q", text="Other.")
    await world.mesh.call("CreatePromptVersion", ask)
    await add(world, "Be brief.")
    assert isinstance(await world.mesh.refusal("SetLivePromptVersion", live(2, "q")), NotFound)


async def test_only_who_may_write_the_directory_says_which_is_live(world: World) -> None:
    reader = await world.key_client(TENANT, "directory.read")
    assert isinstance(await reader.refusal("SetLivePromptVersion", live(1)), ScopeMissing)
    writer = await world.key_client(TENANT, "directory.write")
    assert (await writer.call("SetLivePromptVersion", live(1))).version.live


async def test_long_versions_are_listed_as_far_as_an_answer_carries_the_newest_first(world: World) -> None:
    for number in range(18):
        ask = requests.CreatePromptVersionRequest(
            tenant_id=TENANT, request_id=f"{number}", prompt_name="p", text="😀" * 65536
        )
        await world.mesh.call("CreatePromptVersion", ask)
    numbers = [number for number, _ in await listed(world)]
    assert numbers[0] == 19, "behind the one that stands there from the beginning"
    assert numbers == [*range(19, 19 - len(numbers), -1)]
    assert 10 < len(numbers) < 18
