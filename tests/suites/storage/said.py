"""Conversations as accept, commit and send leave them, written straight into the rows."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import SQLModel

from kit.ids import new_id
from kit.moments import utc_now
from storage_service.backends.rows import Rows, Who
from storage_service.backends.tables import (
    Attempt,
    Contact,
    Conversation,
    Delivery,
    Identity,
    Message,
    QueueEntry,
    RawPayload,
    Receipt,
    Turn,
)
from tests.suites.storage.world import World

DEADLINE = timedelta(seconds=120)


@dataclass
class Chat:
    """One conversation, and how to make things happen in it."""

    world: World
    tenant_id: str
    account_id: str
    contact_id: str
    conversation_id: str
    chat_id: str
    at: datetime = field(default_factory=utc_now)

    async def hears(self, text: str, **fields: Any) -> Message:
        """A message of the contact, in no turn unless one is named."""
        values = {
            "role": "contact",
            "text": text,
            "sender_id": self.chat_id,
            "provider_message_id": new_id(),
            "correlation_id": new_id(),
            **fields,
        }
        message = await self._message(**values)
        raw = RawPayload(
            tenant_id=self.tenant_id,
            id=new_id(),
            account_id=self.account_id,
            conversation_id=self.conversation_id,
            payload=f"raw {text}".encode(),
            correlation_id=message.correlation_id,
            created_at=message.created_at,
        )
        await self.write(raw)
        return message

    async def waits(self, *messages: Message, state: str = "waiting") -> Turn:
        """A turn for messages: waiting, running or given back."""
        now = utc_now()
        turn = Turn(
            tenant_id=self.tenant_id,
            id=new_id(),
            conversation_id=self.conversation_id,
            state=state,
            messages=len(messages),
            due_at=now,
            deadline_at=now + DEADLINE,
            created_at=now,
        )
        await self.write(turn)
        for message in messages:
            await self.set(Message, message.id, turn_id=turn.id)
        if state == "waiting":
            await self.lane(waiting_turn_id=turn.id, waiting_due_at=now, waiting_messages=1, turn_due_at=now)
        else:
            await self.lane(running_turn_id=turn.id, turn_due_at=now if state == "returned" else None)
        return turn

    async def says(self, text: str, *, role: str = "agent", state: str = "queued", **fields: Any) -> Delivery:
        """A message of ours with its delivery."""
        delivery_id = new_id()
        message = await self._message(
            role=role, text=text, delivery_id=delivery_id, turn_id=fields.pop("turn_id", None)
        )
        now = utc_now()
        delivery = Delivery(
            tenant_id=self.tenant_id,
            id=delivery_id,
            conversation_id=self.conversation_id,
            message_id=message.id,
            account_id=self.account_id,
            seq=message.seq,
            state=state,
            due_at=now,
            created_at=now,
            updated_at=now,
            **fields,
        )
        await self.write(delivery)
        lane = await self.row()
        opened = lane.open_deliveries + (state in {"queued", "sending"})
        await self.lane(open_deliveries=opened, delivery_due_at=lane.delivery_due_at or now)
        return delivery

    async def sent(self, text: str, provider_message_id: str) -> Delivery:
        """A message of ours that the provider took, and confirmed."""
        delivery = await self.says(text, state="delivered", provider_message_id=provider_message_id)
        now = utc_now()
        attempt = Attempt(
            tenant_id=self.tenant_id,
            delivery_id=delivery.id,
            number=1,
            account_id=self.account_id,
            outcome="sent",
            provider_message_id=provider_message_id,
            begun_at=now,
        )
        receipt = Receipt(
            tenant_id=self.tenant_id,
            id=new_id(),
            account_id=self.account_id,
            delivery_id=delivery.id,
            provider_message_id=provider_message_id,
            state="delivered",
            matched=True,
            created_at=now,
        )
        await self.write(attempt, receipt)
        return delivery

    async def handed_off(self, summary: str) -> QueueEntry:
        """An entry of the queue."""
        entry = QueueEntry(
            tenant_id=self.tenant_id,
            id=new_id(),
            conversation_id=self.conversation_id,
            reason="guardrail",
            summary=summary,
            created_at=self.at,
            due_at=self.at,
        )
        await self.write(entry)
        return entry

    async def row(self) -> Conversation:
        async with self.world.sessions.read(self.tenant_id) as rows:
            return await rows.named(Conversation, self.conversation_id)

    async def get(self, table: Any, row_id: str) -> Any:
        async with self.world.sessions.read(self.tenant_id) as rows:
            return await rows.named(table, row_id)

    async def lane(self, **values: Any) -> None:
        await self.set(Conversation, self.conversation_id, **values)

    async def set(self, table: Any, row_id: str, **values: Any) -> None:
        async def work(rows: Rows) -> None:
            rows.differ(await rows.named(table, row_id), values)

        await self.world.sessions.write(Who(self.tenant_id, "test"), work)

    async def write(self, *written: Any) -> None:
        async def work(rows: Rows) -> None:
            await rows.add(*written)

        await self.world.sessions.write(Who(self.tenant_id, "test"), work)

    async def _message(self, **fields: Any) -> Message:
        lane = await self.row()
        now = utc_now()
        message = Message(
            tenant_id=self.tenant_id,
            id=new_id(),
            conversation_id=self.conversation_id,
            seq=lane.next_seq,
            account_id=self.account_id,
            chat_id=self.chat_id,
            provider_at=now,
            **{"created_at": now, **fields},
        )
        await self.write(message)
        await self.lane(next_seq=lane.next_seq + 1, updated_at=now)
        self.world.wakeups.moved([self.conversation_id])
        return message


async def a_chat(world: World, tenant_id: str, *, chat_id: str = "+15550001", name: str = "Ada", **lane: Any) -> Chat:
    """A conversation of a new contact on the tenant's account."""
    account = await world.account(tenant_id)
    now = utc_now()
    contact = Contact(tenant_id=tenant_id, id=new_id(), name=name, created_at=now)
    identity = Identity(
        tenant_id=tenant_id,
        account_id=account.id,
        sender_id=chat_id,
        channel=account.channel,
        contact_id=contact.id,
        created_at=now,
    )
    conversation = Conversation(
        tenant_id=tenant_id,
        id=new_id(),
        account_id=account.id,
        channel=account.channel,
        chat_id=chat_id,
        contact_id=contact.id,
        agent_id=account.agent_id,
        created_at=now,
        updated_at=now,
        **lane,
    )
    chat = Chat(world, tenant_id, account.id, contact.id, conversation.id, chat_id)
    rows: list[SQLModel] = [contact, identity, conversation]
    for row in rows:
        await chat.write(row)
    return chat
