"""What when the contact writes again while the model thinks? Where the agent is so configured, the turn begins again.

The model is told to stop, and the turn goes back to be merged with what waits behind it. Once the answer is there it is
committed, whatever comes; after a few restarts it is thought to its end: somebody who never stops is answered too.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from agent_service.domain.draft import Ending
from kit.tasks import cancel
from parley.chat.v1.message_pb2 import TurnKind
from parley.storage.v1.manners_pb2 import NewMessage
from parley.storage.v1.turn_requests_pb2 import LeasedTurn

MOST_RESTARTS = 3
# Counts are kept by this process only, and forgotten when there are too many.
MOST_REMEMBERED = 10_000
RESTART, SUMMARY = NewMessage.NEW_MESSAGE_RESTART, TurnKind.TURN_KIND_SUMMARY


class Restarts:
    """Tells turns, and knows how often each was begun again."""

    def __init__(
        self,
        newer: Callable[[LeasedTurn], Coroutine[Any, Any, bool]],
        tell: Callable[[LeasedTurn], Coroutine[Any, Any, Ending]],
    ) -> None:
        self._newer = newer
        self._tell = tell
        self._counts: dict[tuple[str, str], int] = {}

    async def tell(self, turn: LeasedTurn) -> Ending | None:
        """How the turn ended; None when it is to be begun again."""
        key = (turn.tenant_id, turn.turn_id)  # a merged turn keeps its id
        if turn.setting.manners.new_message != RESTART or turn.kind == SUMMARY:
            return await self._tell(turn)
        if self._counts.get(key, 0) >= MOST_RESTARTS:
            ending: Ending | None = await self._tell(turn)
        else:
            ending = None if turn.more_waiting else await self._told_unless_newer(turn)
        count = self._counts.pop(key, 0)
        if ending is None:
            if len(self._counts) >= MOST_REMEMBERED:
                self._counts.clear()
            self._counts[key] = count + 1
        return ending

    async def _told_unless_newer(self, turn: LeasedTurn) -> Ending | None:
        telling, watching = asyncio.create_task(self._tell(turn)), asyncio.create_task(self._newer(turn))
        try:
            await asyncio.wait((telling, watching), return_when=asyncio.FIRST_COMPLETED)
            if telling.done() or not watching.result():
                return await telling
            return None
        finally:
            await cancel(telling, watching)
