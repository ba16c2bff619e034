"""What does a turn, a message of ours or its delivery hold when it is new, before anything became of it?"""

from datetime import datetime, timedelta

from storage_service.domain.rows import Delivery, Lane, Message, Turn


def new_turn(lane: Lane, first: Message, *, turn_id: str, due_at: datetime, deadline_seconds: int) -> Turn:
    """A turn that waits with its first message."""
    return Turn(
        tenant_id=lane.tenant_id,
        id=turn_id,
        conversation_id=lane.id,
        state="waiting",
        reason="",
        epoch=0,
        worker_id="",
        expires_at=None,
        attempts=0,
        first_seq=first.seq,
        last_seq=first.seq,
        messages=1,
        reply_seq=0,
        replies=0,
        deadline_seconds=deadline_seconds,
        due_at=due_at,
        deadline_at=due_at + timedelta(seconds=deadline_seconds),
        correlation_id=first.correlation_id,
        traceparent=first.traceparent,
        model="",
        backend="",
        input_tokens=0,
        output_tokens=0,
        cost_micros=0,
        model_ms=0,
        created_at=first.created_at,
        ended_at=None,
    )


def new_message(lane: Lane, role: str, *, text: str, message_id: str, delivery_id: str, now: datetime) -> Message:
    """What is said to a contact, with the next number of the conversation."""
    return Message(
        tenant_id=lane.tenant_id,
        id=message_id,
        conversation_id=lane.id,
        seq=lane.take_seq(),
        role=role,
        text=text,
        attachments=None,
        message_metadata=None,
        account_id=lane.account_id,
        chat_id=lane.chat_id,
        sender_id="",
        provider_message_id=None,
        reply_to_provider_message_id="",
        provider_at=now,
        received_at=None,
        created_at=now,
        turn_id=None,
        delivery_id=delivery_id,
        correlation_id="",
        traceparent="",
    )


def new_delivery(message: Message, reply_to_seq: int) -> Delivery:
    """The delivery of such a message, queued."""
    return Delivery(
        tenant_id=message.tenant_id,
        id=message.delivery_id or "",
        conversation_id=message.conversation_id,
        message_id=message.id,
        account_id=message.account_id,
        turn_id=message.turn_id,
        seq=message.seq,
        reply_to_seq=reply_to_seq,
        state="queued",
        reason="",
        provider_code="",
        provider_message_id="",
        epoch=0,
        worker_id="",
        expires_at=None,
        lease_seconds=0,
        begun=False,
        due_at=message.created_at,
        attempts=0,
        part_attempts=0,
        parts=0,
        parts_sent=0,
        correlation_id=message.correlation_id,
        traceparent=message.traceparent,
        created_at=message.created_at,
        updated_at=message.created_at,
    )
