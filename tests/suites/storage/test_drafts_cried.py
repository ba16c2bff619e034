"""Does another replica hear what a turn writes, whatever Postgres has room for in what is cried?"""

import asyncio
from collections.abc import Sequence

import pytest

from kit.ids import new_id
from parley.storage.v1 import signal_requests_pb2 as pb
from storage_service.backends.hot import open_hot
from storage_service.domain.drafts import Shown
from storage_service.domain.events import Events
from storage_service.domain.wakeups import Wakeups
from tests.postgres import Server as Postgres
from tests.stalls import PATIENCE_SECONDS
from tests.suites.storage.hot import fresh


async def test_another_replica_hears_what_is_written_and_of_a_long_text_the_beginning(
    postgres_server: Postgres,
) -> None:
    long = "Ein langer Satz mit Umlauten äöü und \U0001f600. " * 2000
    signal = pb.Signal(tenant_id="t", turn_id="turn-1", conversation_id="c1", text=long, metadata={"a b": "c,d"})
    shown = await _heard_elsewhere(signal, postgres_server)
    assert (shown.channel, shown.signal.turn_id, dict(shown.signal.metadata)) == ("slack", "turn-1", {"a b": "c,d"})
    assert long.startswith(shown.signal.text)
    assert len(shown.signal.text) > 2000


@pytest.mark.parametrize(
    "metadata", [{"quote": "\U0001f600" * 1700}, {str(n): "" for n in range(550)}], ids=["emoji", "many"]
)
async def test_metadata_that_a_cry_has_no_room_for_is_left_out_and_the_text_is_heard(
    postgres_server: Postgres, metadata: dict[str, str]
) -> None:
    signal = pb.Signal(tenant_id="t", turn_id="turn-1", conversation_id="c1", text="hello. " * 500, metadata=metadata)
    shown = await _heard_elsewhere(signal, postgres_server)
    assert (shown.signal.text, dict(shown.signal.metadata)) == (signal.text, {})


async def test_what_postgres_does_not_take_keeps_nobody_from_what_is_cried_next(postgres_server: Postgres) -> None:
    refused = pb.Signal(tenant_id="t", turn_id="turn-1", conversation_id="c1", text="one", chat_id="c" * 9000)
    signal = pb.Signal(tenant_id="t", turn_id="turn-2", conversation_id="c2", text="two")
    shown = await _heard_elsewhere(refused, postgres_server, then=signal)
    assert shown.signal.text == "two"


async def _heard_elsewhere(signal: pb.Signal, server: Postgres, *, then: pb.Signal | None = None) -> Shown:
    """What the other of two replicas hears first. A `then` is cried after each."""
    url = fresh("postgres", None, server)  # type: ignore[arg-type]  # of SQLite only
    here, there = Events(Wakeups()), Events(Wakeups())
    heard: list[Shown] = []
    there.show(_nobody, draw=heard.append)
    hots = [open_hot(url, replica_id=new_id(), events=each) for each in (here, there)]
    async with asyncio.TaskGroup() as group:
        crying = [group.create_task(hot.crier.run()) for hot in hots if hot.crier]
        for hot in hots:
            await hot.database.open()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not heard:
                for hot in hots:
                    await hot.database.beat()
                for each in (signal, then):
                    if each is not None:
                        here.drafted(Shown("slack", each))
                await asyncio.sleep(0.1)
        for task in crying:
            task.cancel()
    for hot in hots:
        await hot.database.close()
    return heard[0]


def _nobody(_begun: Sequence[object]) -> None:
    """Nothing else is shown."""
