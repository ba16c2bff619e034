"""The agent service that stops at every step of a turn and asks whether it may go on: `python -m tests.mesh.stepping`.

It says the step and the turn to STEPS_URL and waits for the answer. The code under test does not know: its classes are
extended from outside. What is there is derived from the story itself, so that a new step is stopped at too.
"""

import asyncio
import contextlib
import os
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import aiohttp

from agent_service import __main__ as service
from agent_service.backends.inbox import Inbox
from agent_service.domain.draft import Draft, Ending
from agent_service.domain.turn import Rules, Step, Story
from agent_service.domain.worker import Worker
from kit.moments import utc_now
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, TurnCommit

URL = "STEPS_URL"
# Storage has given the turn away and the worker does not know · the worker knows · the steps of the story · the end is
# known and storage is not told · storage has said yes.
LEASED, TAKEN, COMMITTING, COMMITTED = "leased", "taken", "committing", "committed"


def story_steps() -> tuple[str, ...]:
    """The names of the steps of a story, in their order."""
    story = Story(cast(Any, SimpleNamespace(generate=None)), Rules(1, 1, ""), now=utc_now)
    return tuple(_name(step) for step in story._steps)


class SteppedInbox(Inbox):
    """Stops when a turn has come, and around its commit, which names only the turn."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._leased: dict[str, LeasedTurn] = {}

    async def lease(self, most: int) -> Sequence[LeasedTurn]:
        turns = await super().lease(most)
        self._leased.update({turn.turn_id: turn for turn in turns})
        await asyncio.gather(*(_reach(LEASED, turn) for turn in turns))
        return turns

    async def commit(self, commit: TurnCommit) -> None:
        turn = self._leased[commit.turn_id]
        await _reach(COMMITTING, turn)
        await super().commit(commit)
        await _reach(COMMITTED, turn)


class SteppedStory(Story):
    """Stops before each step."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._steps = tuple(_stepped(step) for step in self._steps)


class SteppedWorker(Worker):
    """Stops when a turn has been taken."""

    async def _work(self, turn: LeasedTurn) -> None:
        await _reach(TAKEN, turn)
        await super()._work(turn)


def _stepped(step: Step) -> Step:
    async def reach(draft: Draft) -> Ending | None:
        await _reach(_name(step), draft.turn)
        return await step(draft)

    return reach


def _name(step: Step) -> str:
    return str(getattr(step, "__name__", "")).removeprefix("_")


async def _reach(step: str, turn: LeasedTurn) -> None:
    said = "\n".join(message.text for message in turn.messages)
    telling = {"step": step, "conversation": turn.conversation_id, "said": said}
    with contextlib.suppress(aiohttp.ClientError):  # nobody wants to know any more
        async with aiohttp.ClientSession() as session, session.post(os.environ[URL], json=telling) as answer:
            await answer.read()


def main() -> None:
    for name, stepped in (("Inbox", SteppedInbox), ("Story", SteppedStory), ("Worker", SteppedWorker)):
        setattr(service, name, stepped)
    service.main()


if __name__ == "__main__":
    main()
