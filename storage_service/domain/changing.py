"""What does a turn change in its conversation beside what it says? The change goes with its commit, or not at all.

A hand-off lets everything out that the agent said before: it gives the conversation away itself. An opt-out does not:
what waits is called off before the turn says its last word.
"""

from collections.abc import Sequence
from datetime import datetime

from kit.errors import InvalidField, ParleyError
from parley.chat.v1.message_pb2 import TurnState
from parley.storage.v1.turn_requests_pb2 import TurnCommit
from storage_service.domain.changes import Changes
from storage_service.domain.languages import stored
from storage_service.domain.rows import Delivery, Key, Lane, Turn

OPTED_OUT = "opted_out"


def refusal(item: TurnCommit, state: str) -> ParleyError | None:
    """Why a change cannot be meant."""
    if not item.HasField("change"):
        return None
    if item.change.HasField("hand_off") and state != "handed_off":
        return InvalidField([("change.hand_off", "goes with the state HANDED_OFF only")])
    if item.change.HasField("opted_out") and state == "handed_off":
        return InvalidField([("change.opted_out", "does not go with a hand-off")])
    return None


def may_speak(lane: Lane, item: TurnCommit) -> bool:
    """The agent, while it owns the conversation; and silence. An opt-out holds whoever owns it by now, as does its end:
    that is the contact's to say, and no text of a model goes with it."""
    if opts_out(item):
        return not lane.opted_out
    if lane.opted_out and opts_in(item):
        return True
    if lane.owner_epoch != item.owner_epoch:
        return False
    return (lane.owner == "agent" and not lane.opted_out) or says_nothing(item)


def opts_out(item: TurnCommit) -> bool:
    return item.HasField("change") and item.change.opted_out


def opts_in(item: TurnCommit) -> bool:
    return item.HasField("change") and item.change.HasField("opted_out") and not item.change.opted_out


def says_nothing(item: TurnCommit) -> bool:
    return item.state == TurnState.TURN_STATE_SUPPRESSED and not item.replies and not item.HasField("change")


def call_off(lane: Lane, deliveries: Sequence[Delivery], *, changes: Changes, now: datetime) -> None:
    """Fails what waits to be sent. A call that is being made ends as it ends, and no other follows it."""
    for delivery in deliveries:
        delivery.reason, delivery.updated_at = OPTED_OUT, now
        changes.deliveries[delivery.id] = delivery
        if delivery.begun:
            continue
        if lane.sending_delivery_id == delivery.id:
            lane.sending_delivery_id = None
        delivery.state, delivery.epoch = "failed", delivery.epoch + 1
        delivery.expires_at, delivery.worker_id = None, ""
        lane.open_deliveries = max(0, lane.open_deliveries - 1)
    lane.delivery_due_at = None  # Nothing is left that is not out already.


def keep(lane: Lane, turn: Turn, *, item: TurnCommit, changes: Changes, now: datetime) -> None:
    """What is remembered for the next turn. The turn has said what it says."""
    if item.model_conversation and not item.change.reset:
        named = (*lane.key, item.model_conversation, lane.next_seq - 1)
        changes.model_conversations[lane.id] = named
    if not item.HasField("change"):
        return
    change = item.change
    if change.reset:
        lane.context_seq = turn.last_seq if lane.waiting_turn_id else lane.next_seq - 1
        changes.begun_anew[lane.id] = lane.key
    model = change.model if change.HasField("model") else None
    language = stored(change.language) if change.HasField("language") else None
    if model is not None or language is not None:
        changes.chosen[lane.id] = (*lane.key, model, language)
    if change.HasField("opted_out"):
        set_opting(lane, out=change.opted_out, changes=changes, now=now)


def forget(lane: Lane, *, item: TurnCommit, changes: Changes) -> None:
    """What a model server keeps of the conversation ends in an answer that nobody was told: another one begins."""
    if item.model_conversation:
        changes.model_conversations[lane.id] = (*lane.key, "", lane.next_seq - 1)


def count_tokens(item: TurnCommit, *, changes: Changes, now: datetime) -> None:
    """A model reads and writes for its tenant, whatever became of the turn."""
    if (tokens := item.usage.input_tokens + item.usage.output_tokens) > 0:
        key: Key = (item.tenant_id, day_of(now))
        changes.tokens[key] = changes.tokens.get(key, 0) + tokens


def set_opting(lane: Lane, *, out: bool, changes: Changes, now: datetime) -> None:
    """Whether the contact wants to be written to. Said again, it changes nothing. Who comes back to a human who took
    the conversation meanwhile is that human's."""
    if out == lane.opted_out:
        return
    lane.opted_out_at = now if out else None
    if out and lane.owner in {"queue", "human"}:
        changes.left_queue[lane.id] = (*lane.key, now)
    if out and lane.owner != "none":
        lane.give_to("none")
    elif lane.owner == "none" and not out:
        lane.give_to("agent")


def day_of(now: datetime) -> str:
    """The clock of storage is in UTC."""
    return now.date().isoformat()
