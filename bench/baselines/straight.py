"""The same turn written straight against the store: lease, join what was said, ask the model, commit.

No budget, no guardrail, no language, no command; nothing is tried again or given back. Settings come as BENCH_* of the
environment: with BENCH_FRAMES what was leased together is asked and committed together, else each turn by itself.
"""

import asyncio
import os
from collections.abc import Sequence
from datetime import timedelta

import uvloop
from grpc import aio

from parley.chat.v1.message_pb2 import TURN_STATE_REPLIED
from parley.llm.v1 import llm_service_pb2 as llm
from parley.llm.v1.llm_service_pb2_grpc import LlmServiceStub
from parley.llm.v1.prompt_pb2 import Prompt
from parley.storage.v1 import turn_requests_pb2 as turns
from parley.storage.v1.inbox_service_pb2_grpc import InboxServiceStub

WORKER, HISTORY, SECONDS = "straight", 60, 25


def prompt(turn: turns.LeasedTurn) -> Prompt:
    """Everything that was said, in its order."""
    joined = Prompt(model=turn.setting.model)
    joined.messages.add(role="ROLE_SYSTEM", text=turn.setting.system_prompt)
    for message in (*turn.history, *turn.messages):
        joined.messages.add(role=message.role, text=message.text)
    return joined


def reply(turn: turns.LeasedTurn, text: str) -> turns.TurnCommit:
    commit = turns.TurnCommit(tenant_id=turn.tenant_id, turn_id=turn.turn_id, epoch=turn.epoch, replies=[text])
    commit.owner_epoch, commit.state = turn.setting.owner_epoch, TURN_STATE_REPLIED
    return commit


async def work(storage_channel: aio.Channel, model_channel: aio.Channel) -> None:
    """Turns without end."""
    storage, model = InboxServiceStub(storage_channel), LlmServiceStub(model_channel)
    metadata = (("authorization", f"Bearer {os.environ['MESH_TOKEN']}"),)
    request = turns.LeaseTurnsRequest(worker_id=WORKER, max_turns=256, history=HISTORY, wait=timedelta(seconds=20))

    async def commit(commits: Sequence[turns.TurnCommit]) -> None:
        frame = turns.CommitTurnsRequest(worker_id=WORKER, turns=commits)
        await storage.CommitTurns(frame, metadata=metadata, timeout=10)

    async def answer(turn: turns.LeasedTurn) -> None:
        asked = llm.GenerateRequest(tenant_id=turn.tenant_id, prompt=prompt(turn))
        await commit([reply(turn, (await model.Generate(asked, metadata=metadata, timeout=SECONDS)).text)])

    async def answer_all(leased: Sequence[turns.LeasedTurn]) -> None:
        frame = llm.GenerateManyRequest()
        for number, turn in enumerate(leased, 1):
            asked = llm.GenerateRequest(tenant_id=turn.tenant_id, prompt=prompt(turn))
            frame.asks.append(llm.Ask(id=number, timeout=timedelta(seconds=SECONDS), request=asked))
        answers = [each async for part in model.GenerateMany(iter([frame]), metadata=metadata) for each in part.answers]
        await commit([reply(leased[each.id - 1], each.response.text) for each in answers])

    async with asyncio.TaskGroup() as group:
        while True:
            leased = (await storage.LeaseTurns(request, metadata=metadata, timeout=30)).turns
            for task in [answer_all(leased)] if os.environ["BENCH_FRAMES"] and leased else map(answer, leased):
                group.create_task(task)


async def main() -> None:
    async with (
        aio.insecure_channel(os.environ["STORAGE_ADDRESS"]) as storage,
        aio.insecure_channel(os.environ["LLM_ADDRESS"]) as model,
    ):
        await work(storage, model)


if __name__ == "__main__":
    uvloop.run(main())
