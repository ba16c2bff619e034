"""What went out, and what is being answered? Lists deliveries and turns; one is sent again, or put aside."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager

from kit.command import reaching
from kit.command.screen import Mistake, cell, document, say, table
from kit.command.tenants import storage_of
from kit.ids import new_id
from kit.moments import moment
from parley.chat.v1.message_pb2 import DeliveryState, TurnState
from parley.storage.v1 import conversation_service_pb2, outbox_service_pb2
from parley.storage.v1.conversation_service_pb2_grpc import ConversationServiceStub
from parley.storage.v1.outbox_service_pb2_grpc import OutboxServiceStub

MOST_RECORDS = 500
UNDELIVERED = ("DELIVERY_STATE_FAILED", "DELIVERY_STATE_UNKNOWN")
LISTED = "parley deliveries lists them"
OPEN = (None, "TURN_STATE_WAITING", "TURN_STATE_RUNNING")


async def deliveries(tenant: str, *, state: str | None, everything: bool, limit: int, as_json: bool) -> None:
    """Newest first. Of those that did not arrive what is left to do, unless everything is wanted."""
    wanted_state = _state(DeliveryState.keys(), state)
    left = wanted_state in UNDELIVERED and not everything
    wanted = outbox_service_pb2.ListDeliveriesRequest(
        tenant_id=tenant, state=wanted_state, not_put_aside=left, page_size=limit
    )
    async with storage_of(tenant) as storage:
        found = await OutboxServiceStub(storage).ListDeliveries(wanted, timeout=reaching.CALL_SECONDS)
    rows = [
        {
            "id": each.id,
            "state": _word(DeliveryState.Name(each.state)),
            "reason": each.reason,
            "attempts": each.attempts,
            "updated_at": moment(each.updated_at),
            "conversation_id": each.conversation_id,
            "put_aside_at": moment(each.put_aside_at) if each.HasField("put_aside_at") else None,
            "put_aside_by": each.put_aside_by,
        }
        for each in found.deliveries
    ]
    if as_json:
        document({"deliveries": rows, "more": bool(found.next_page_token)})
    else:
        _show(("delivery", "state", "reason", "attempts", "since", "conversation"), [*map(_with_its_mark, rows)])
        _say_more(found.next_page_token, limit)


async def retry(tenant: str, delivery_id: str, *, attempts_seen: int | None) -> None:
    """Queues it again, unless it was called for since it was seen with so many attempts."""
    _require(delivery_id)
    wanted = outbox_service_pb2.RetryDeliveryRequest(
        tenant_id=tenant, request_id=new_id(), delivery_id=delivery_id, attempts_seen=attempts_seen
    )
    async with storage_of(tenant) as storage:
        with _naming(delivery_id, tenant):
            found = await OutboxServiceStub(storage).RetryDelivery(wanted, timeout=reaching.CALL_SECONDS)
    say(f"{delivery_id} is {_word(DeliveryState.Name(found.delivery.state))} again")


async def put_aside(tenant: str, delivery_id: str, *, back: bool, attempts_seen: int | None = None) -> None:
    """Marks it as dealt with, or takes the mark away."""
    _require(delivery_id)
    wanted = outbox_service_pb2.PutDeliveryAsideRequest(
        tenant_id=tenant, request_id=new_id(), delivery_id=delivery_id, back=back, attempts_seen=attempts_seen
    )
    async with storage_of(tenant) as storage:
        with _naming(delivery_id, tenant):
            found = await OutboxServiceStub(storage).PutDeliveryAside(wanted, timeout=reaching.CALL_SECONDS)
    word = _word(DeliveryState.Name(found.delivery.state))
    say(f"{delivery_id} is {word}, and {'left to do' if back else 'put aside'}")


async def turns(tenant: str, *, state: str | None, limit: int, as_json: bool) -> None:
    """Open ones: the longest waiting first. Those that have ended: the newest first."""
    wanted_state = _state(TurnState.keys(), state)
    wanted = conversation_service_pb2.ListTurnsRequest(
        tenant_id=tenant,
        states=[wanted_state] if wanted_state else [],
        newest_first=wanted_state not in OPEN,
        page_size=limit,
    )
    async with storage_of(tenant) as storage:
        found = await ConversationServiceStub(storage).ListTurns(wanted, timeout=reaching.CALL_SECONDS)
    rows = [
        {
            "id": each.id,
            "state": _word(TurnState.Name(each.state)),
            "reason": each.reason,
            "messages": each.messages,
            "created_at": moment(each.created_at),
            "conversation_id": each.conversation_id,
        }
        for each in found.turns
    ]
    if as_json:
        document({"turns": rows, "more": bool(found.next_page_token)})
    else:
        _show(("turn", "state", "reason", "messages", "since", "conversation"), rows)
        _say_more(found.next_page_token, limit)


def _require(delivery_id: str) -> None:
    if not delivery_id:  # of a script whose variable is empty
        raise Mistake("the delivery's ID is empty", fix=LISTED)


def _naming(delivery_id: str, tenant: str) -> AbstractContextManager[None]:
    return reaching.naming(f"there is no delivery {delivery_id!r} in tenant {tenant!r}", fix=LISTED)


def _with_its_mark(row: Mapping[str, object]) -> Mapping[str, object]:
    """For a person: the mark in a word beside the state."""
    shown = {name: value for name, value in row.items() if not name.startswith("put_aside")}
    return {**shown, "state": f"{row['state']}, put aside"} if row["put_aside_at"] else shown


def _show(heads: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    table(heads, [[cell(value) for value in row.values()] for row in rows])


def _say_more(token: str, limit: int) -> None:
    if token:
        more = min(limit * 2, MOST_RECORDS)
        say(f"… and more{f'; show more with --limit {more}' if more > limit else ''}")


def _state(names: Iterable[str], word: str | None) -> str | None:
    """The enum's name of "unknown", as in DELIVERY_STATE_UNKNOWN; None for none."""
    if word is None:
        return None
    known = {_word(name): name for name in names if not name.endswith("_UNSPECIFIED")}
    if word.lower() not in known:
        raise Mistake(f"there is no state {word!r}", fix=f"one of: {', '.join(known)}")
    return known[word.lower()]


def _word(name: str) -> str:
    return name.partition("_STATE_")[2].lower()
