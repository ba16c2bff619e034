"""Conversations that are long enough to be summarised, and what is kept of them."""

from typing import Any

from parley.storage.v1.turn_requests_pb2 import LeasedTurn
from tests.suites.storage.hot import Store


async def talked(store: Store, exchanges: int, chat_id: str = "chat-1", **more: Any) -> LeasedTurn:
    """So many questions, each with its answer. Gives the last turn."""
    for number in range(exchanges):
        await store.hear(f"question {number}", chat_id=chat_id)
        (turn,) = await store.lease()
        last = number == exchanges - 1
        assert (await store.commit(turn, f"answer {number}", **(more if last else {}))).error is None
    return turn


async def wanting(store: Store, exchanges: int = 20, chat_id: str = "chat-1") -> LeasedTurn:
    """As many, and the last commit says that it is too much."""
    return await talked(store, exchanges, chat_id, wants_summary=True)


async def a_job(store: Store, exchanges: int = 20, worker: str = "w1") -> LeasedTurn:
    """A summary turn, held by the worker."""
    await wanting(store, exchanges)
    (job,) = await store.lease_summaries(worker=worker)
    return job


def seqs(turn: LeasedTurn) -> list[int]:
    return [each.seq for each in turn.history]


async def kept(store: Store) -> list[tuple[str, int]]:
    return [tuple(row) for row in await store.fetch("SELECT summary, summary_seq FROM conversations ORDER BY chat_id")]


async def jobs(store: Store) -> list[tuple[str, int]]:
    return [tuple(row) for row in await store.fetch("SELECT state, attempts FROM summaries ORDER BY id")]
