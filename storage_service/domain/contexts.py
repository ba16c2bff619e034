"""What would a turn of a conversation be leased with now? Read as a lease reads it; nothing is leased."""

from kit.errors import NotFound
from parley.storage.v1.turn_requests_pb2 import LeasedTurn
from storage_service.domain import leased, weights
from storage_service.domain.asks import Wanted
from storage_service.domain.database import Database, HotRows
from storage_service.domain.rows import Key


class Contexts:
    """The contexts of conversations, for people who want to know what the model gets to read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def show(self, tenant_id: str, conversation_id: str, *, history: int) -> LeasedTurn:
        """With the messages that wait or are being answered, if there are any. Raises NotFound."""
        key = (tenant_id, conversation_id)
        # The sweeper's place, since nobody waits for it: hot work goes on beside.
        shown: LeasedTurn = await self._database.run("sweep", lambda rows: _shown(rows, key, history=history))
        weights.lightened(shown)
        return shown


async def _shown(rows: HotRows, key: Key, *, history: int) -> LeasedTurn:
    lanes, settings = await rows.lanes_and_settings([key])
    if (lane := lanes.get(key)) is None:
        raise NotFound("no such conversation", metadata={"resource": "conversation"})
    turn_id = lane.running_turn_id or lane.waiting_turn_id or ""
    turn = (await rows.turns([(lane.tenant_id, turn_id)])).get((lane.tenant_id, turn_id)) if turn_id else None
    if turn is None:
        before = await rows.history([Wanted.of(lane, "", first_seq=lane.next_seq, history=history)])
        return leased.context(lane, setting=settings[key], own=(), before=before[key])
    heard = (await rows.heard([Wanted.of(lane, turn.id, first_seq=turn.first_seq, history=history)]))[key]
    shown = leased.context(lane, setting=settings[key], own=heard.own, before=heard.before)
    shown.turn_id, shown.correlation_id = turn.id, turn.correlation_id
    return shown
