"""What is still heard of a turn from the worker that had it? That it is over, and what it cost.

A take-over ends the turn that runs, as does a provider that has let the person go, so that nothing waits for an answer
that nobody will be told. Its worker thinks on, and says in the end what that cost.
"""

from kit.errors import LeaseLost, OwnerChanged, ParleyError
from kit.moments import seconds
from parley.storage.v1.turn_requests_pb2 import TurnCommit
from storage_service.domain.rows import Turn
from storage_service.domain.words import OPEN_TURN

REASON = "owner_changed"


def answer(turn: Turn, worker_id: str, *, epoch: int) -> ParleyError | None:
    """To a worker that holds it no more; None when its commit was heard before."""
    if turn.state in OPEN_TURN or (turn.worker_id, turn.epoch) != (worker_id, epoch):
        return LeaseLost()
    return OwnerChanged() if turn.reason == REASON else None


def note_usage(turn: Turn, item: TurnCommit) -> None:
    usage = item.usage
    turn.model, turn.backend = usage.model, usage.backend
    turn.input_tokens, turn.output_tokens = usage.input_tokens, usage.output_tokens
    turn.cost_micros = usage.cost_micros
    turn.model_ms = round(seconds(usage.model_time) * 1000)


def is_unpaid(turn: Turn) -> bool:
    """Whether nobody has said what it cost: a commit may come twice."""
    known = (turn.model, turn.backend, turn.input_tokens, turn.output_tokens, turn.cost_micros, turn.model_ms)
    return not any(known)
