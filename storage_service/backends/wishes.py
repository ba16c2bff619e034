"""What may a person ask of a lane? Another message, a delivery once more or put aside, a look at what there is."""

from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlmodel import col

from kit.correlation import correlation_id
from kit.errors import InvalidField, StateConflict
from kit.moments import stamp
from parley.chat.v1.message_pb2 import ROLE_AGENT, ROLE_OPERATOR, ROLE_UNSPECIFIED
from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import outbox_service_pb2 as pb
from storage_service.backends import lanes, media
from storage_service.backends.repeats import Repeats
from storage_service.backends.rows import Rows, Who, among_few
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import ApiKey, Attempt, Conversation, Delivery, Message
from storage_service.backends.tables.work import HELD_DELIVERIES, HELD_LEFT_TO_DO
from storage_service.domain import paging, rows
from storage_service.domain.changes import Changes
from storage_service.domain.deliveries import Deliveries
from storage_service.domain.events import Events
from storage_service.domain.other_chats import OPTED_OUT, was_tried_since
from storage_service.domain.pressure import Pressure
from storage_service.domain.rows import Key
from storage_service.domain.turns import Turns
from storage_service.domain.words import DELIVERY_STATE, DELIVERY_WORD

UNDELIVERED = ("failed", "unknown")
NOT_ASIDE = {"put_aside_as": "", "put_aside_at": None, "put_aside_by": ""}
OPEN = (DELIVERY_STATE["queued"], DELIVERY_STATE["sending"])
ROLES = {ROLE_UNSPECIFIED: "operator", ROLE_OPERATOR: "operator", ROLE_AGENT: "agent"}


class Wishes:
    """Changes of a lane that no worker makes, each once per request id."""

    def __init__(
        self, sessions: Sessions, repeats: Repeats, *, events: Events, pressure: Pressure | None = None
    ) -> None:
        self._pressure = pressure
        self._sessions = sessions
        self._repeats = repeats
        self._events = events

    async def queue_message(self, request: pb.QueueMessageRequest, actor: str) -> pb.QueueMessageResponse:
        role = ROLES.get(request.role)
        if role is None:
            raise InvalidField([("role", "must be OPERATOR or AGENT")])
        if not (request.text.strip() or request.attachments):
            raise InvalidField([("text", "is required, or else attachments")])
        changes = Changes()

        async def work(found: Rows) -> pb.QueueMessageResponse:
            conversation = await found.named(Conversation, request.conversation_id, lock=True)
            lanes.refuse_erased(conversation)
            lane = _lane(conversation)
            if lane.opted_out:
                raise StateConflict(OPTED_OUT)
            lanes.refuse_changed(conversation, request.owner_epoch)
            self._check((lane.tenant_id, lane.account_id))
            moves = Turns(found.now, found.new_id, changes)
            message = moves.say(lane, role, text=request.text, correlation_id=correlation_id.get())
            message.attachments = await media.sent(found, request.attachments)
            await found.add(*(Message(**_values(each)) for each in changes.messages))
            await found.add(*(Delivery(**_values(each)) for each in changes.new_deliveries))
            found.differ(conversation, _values(lane))
            await found.flush()
            await found.note("message.queue", "message", row_id=message.id, role=role)
            return pb.QueueMessageResponse(message_id=message.id, delivery_id=message.delivery_id or "")

        again = pb.QueueMessageResponse(duplicate=True)
        response = await self._repeats.write(Who(request.tenant_id, actor), request, work=work, again=again)
        self._events.committed(changes)
        if self._pressure and changes.new_deliveries:
            self._pressure.add((request.tenant_id, changes.new_deliveries[0].account_id))
        return response

    def _check(self, account: Key) -> None:
        """Raises QueueFull while too much waits to be sent by the account."""
        if self._pressure and (refusal := self._pressure.refusal(account)):
            raise refusal

    async def retry_delivery(self, request: pb.RetryDeliveryRequest, actor: str) -> pb.RetryDeliveryResponse:
        """Asked again, it shows the delivery as it is by then."""
        changes = Changes()

        async def work(found: Rows) -> pb.RetryDeliveryResponse:
            known = await found.named(Delivery, request.delivery_id)
            conversation = await found.named(Conversation, known.conversation_id, lock=True)
            delivery = await found.named(Delivery, request.delivery_id, lock=True)
            repeated = await self._repeats.first(found, request) is not None
            if not repeated:
                lanes.refuse_erased(conversation)
                await _has_its_text(found, delivery)
                lane, row = _lane(conversation), _delivery(delivery)
                attempts = {row.key: await _attempts(found, delivery)}
                moves = Deliveries(found.now, changes, {}, attempts, [], found.new_id)
                moves.again(lane, row, attempts_seen=_seen(request))
                found.differ(conversation, _values(lane))
                found.differ(delivery, _values(row) | NOT_ASIDE)
                await self._repeats.keep(found, request, answer=b"")
                await found.note("delivery.retry", "delivery", row_id=delivery.id)
            return pb.RetryDeliveryResponse(delivery=_shown(delivery), duplicate=repeated)

        response = await self._sessions.write(Who(request.tenant_id, actor), work)
        self._events.committed(changes)
        return response

    async def put_aside(self, request: pb.PutDeliveryAsideRequest, actor: str) -> pb.PutDeliveryAsideResponse:
        """Or back. Asked again, it shows the delivery as it is by then."""

        async def work(found: Rows) -> pb.PutDeliveryAsideResponse:
            delivery = await found.named(Delivery, request.delivery_id, lock=True)
            repeated = await self._repeats.first(found, request) is not None
            if not repeated:
                _refuse_aside(delivery, attempts_seen=_seen(request))
                mark = NOT_ASIDE if request.back else _mark(delivery, by=await _name(found, actor), at=found.now)
                if found.differ(delivery, mark):
                    await found.note("delivery.put_aside", "delivery", row_id=delivery.id, back=request.back)
                await self._repeats.keep(found, request, answer=b"")
            return pb.PutDeliveryAsideResponse(delivery=_shown(delivery), duplicate=repeated)

        return await self._sessions.write(Who(request.tenant_id, actor), work)

    async def list_deliveries(self, request: pb.ListDeliveriesRequest) -> pb.ListDeliveriesResponse:
        if request.not_put_aside and DELIVERY_WORD.get(request.state) not in UNDELIVERED:
            raise InvalidField([("not_put_aside", "goes with the state FAILED or UNKNOWN")])
        kind = "left deliveries" if request.not_put_aside else "deliveries"
        query = (request.tenant_id, kind, request.state, request.conversation_id)
        held = HELD_LEFT_TO_DO if request.not_put_aside else HELD_DELIVERIES
        most = paging.size(request.page_size)
        async with self._sessions.read(request.tenant_id) as found:
            statement = found.select(Delivery).order_by(col(Delivery.id).desc()).limit(most + 1)
            if request.state:
                states = [DELIVERY_WORD.get(request.state, "")]
                statement = statement.where(found.in_states(Delivery.state, states, held=held))
            if request.conversation_id:
                # Each stands in a message, and those of a conversation are found at once.
                said = found.select(Message).where(col(Message.conversation_id) == request.conversation_id)
                ids = said.where(col(Message.delivery_id).is_not(None)).with_only_columns(col(Message.delivery_id))
                statement = statement.where(col(Delivery.id).in_(ids))
            if place := paging.place(request.page_token, [str], query=query):
                is_few = request.conversation_id or request.state in OPEN
                statement = statement.where((among_few(Delivery.id) if is_few else col(Delivery.id)) < place[0])
            page, following = paging.cut(await found.all(statement), most, key=lambda row: (row.id,), query=query)
        return pb.ListDeliveriesResponse(deliveries=map(_shown, page), next_page_token=following)


def _seen(request: pb.RetryDeliveryRequest | pb.PutDeliveryAsideRequest) -> int | None:
    return request.attempts_seen if request.HasField("attempts_seen") else None


def _refuse_aside(delivery: Delivery, *, attempts_seen: int | None) -> None:
    if delivery.state not in UNDELIVERED:
        raise StateConflict(f"the delivery is {delivery.state}")
    if refusal := was_tried_since(delivery.attempts, seen=attempts_seen):
        raise StateConflict(refusal)


async def _name(found: Rows, actor: str) -> str:
    """As people know a key; the audit has its id."""
    key = await found.first(found.select(ApiKey).where(col(ApiKey.id) == actor.removeprefix("key:")))
    return key.name if key else actor


def _is_aside(delivery: Delivery) -> bool:
    return delivery.put_aside_as == delivery.state


def _mark(delivery: Delivery, *, by: str, at: datetime) -> dict[str, Any]:
    """Whoever did it first stays named."""
    return {} if _is_aside(delivery) else {"put_aside_as": delivery.state, "put_aside_at": at, "put_aside_by": by}


async def _has_its_text(found: Rows, delivery: Delivery) -> None:
    """A retention may have emptied it since; then there is nothing to send."""
    message = await found.named(Message, delivery.message_id, lock=True)
    if not (message.text or message.attachments):
        raise StateConflict("the text of the delivery is not kept any more")


async def _attempts(found: Rows, delivery: Delivery) -> list[rows.Attempt]:
    """In the order they were made."""
    made = found.select(Attempt).where(col(Attempt.delivery_id) == delivery.id).order_by(col(Attempt.number))
    names = [field.name for field in fields(rows.Attempt)]
    return [rows.Attempt(*(getattr(row, name) for name in names)) for row in await found.all(made)]


def _lane(row: Conversation) -> rows.Lane:
    return rows.Lane(*(getattr(row, field.name) for field in fields(rows.Lane)))


def _delivery(row: Delivery) -> rows.Delivery:
    return rows.Delivery(*(getattr(row, field.name) for field in fields(rows.Delivery)))


def _values(value: rows.Lane | rows.Message | rows.Delivery) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _shown(row: Delivery) -> directory.Delivery:
    return directory.Delivery(
        id=row.id,
        tenant_id=row.tenant_id,
        conversation_id=row.conversation_id,
        message_id=row.message_id,
        account_id=row.account_id,
        turn_id=row.turn_id or "",
        state=DELIVERY_STATE[row.state],
        reason=row.reason,
        provider_code=row.provider_code,
        attempts=row.attempts,
        parts=row.parts,
        parts_sent=row.parts_sent,
        provider_message_id=row.provider_message_id,
        created_at=stamp(row.created_at),
        updated_at=stamp(row.updated_at),
        correlation_id=row.correlation_id,
        put_aside_at=stamp(row.put_aside_at) if row.put_aside_at and _is_aside(row) else None,
        put_aside_by=row.put_aside_by if _is_aside(row) else "",
    )
