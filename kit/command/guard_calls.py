"""How does the command ask the agent service what texts would meet?"""

from collections.abc import Sequence

from kit.command import reaching
from kit.settings import Settings, load
from parley.agent.v1 import agent_service_pb2 as agent
from parley.agent.v1.agent_service_pb2_grpc import AgentServiceStub

TENANT = "default"
MOST_TEXTS = 100
LONGEST_TEXT = 65_536
# What a frame may hold: several of the longest texts.
MOST_CHARACTERS = 1_000_000
CALL_SECONDS = 30.0
SIDES = {False: agent.GUARD_SIDE_INPUT, True: agent.GUARD_SIDE_OUTPUT}


async def verdicts(texts: Sequence[str], *, output: bool = False) -> list[agent.TextVerdict]:
    """One for each text, in their order, over as few calls as the contract allows."""
    found: list[agent.TextVerdict] = []
    async with reaching.channel(load(Settings), "agent") as channel:
        stub = AgentServiceStub(channel)
        for frame in _frames([text[:LONGEST_TEXT] for text in texts]):
            request = agent.CheckTextRequest(tenant_id=TENANT, texts=frame, side=SIDES[output])
            found += (await stub.CheckText(request, timeout=CALL_SECONDS)).verdicts
    return found


def action(verdict: agent.TextVerdict) -> str:
    """In one word, as rule files write it."""
    return agent.GuardAction.Name(verdict.action).removeprefix("GUARD_ACTION_").lower()


def _frames(texts: Sequence[str]) -> list[list[str]]:
    frames: list[list[str]] = []
    size = 0
    for text in texts:
        size += len(text)
        if not frames or len(frames[-1]) >= MOST_TEXTS or size > MOST_CHARACTERS:
            frames.append([])
            size = len(text)
        frames[-1].append(text)
    return frames
