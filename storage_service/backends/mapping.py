"""What does a row look like in the contract?"""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from kit.moments import stamp
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import conversation_change_pb2, conversation_pb2
from parley.storage.v1 import conversation_service_pb2 as conversations
from parley.storage.v1 import directory_pb2 as directory
from storage_service.backends import tables
from storage_service.domain import hand_offs, manners, words


def tenant(row: tables.Tenant) -> directory.Tenant:
    return directory.Tenant(id=row.id, name=row.name, created_at=stamp(row.created_at))


def account(row: tables.ChannelAccount) -> directory.ChannelAccount:
    return directory.ChannelAccount(
        id=row.id,
        tenant_id=row.tenant_id,
        channel=row.channel,
        account_key=row.account_key,
        address=row.address,
        name=row.name,
        agent_id=row.agent_id,
        state=words.ACCOUNT_STATE[row.state],
        state_reason=row.state_reason,
        unknown_policy=words.POLICY[row.unknown_policy],
        model=row.model,
        quiet_window_ms=row.quiet_window_ms,
        options=json.loads(row.options),
        formatting=row.formatting,
        version=row.version,
        created_at=stamp(row.created_at),
        updated_at=stamp(row.updated_at),
    )


def agent(row: tables.Agent) -> directory.Agent:
    return directory.Agent(
        id=row.id,
        tenant_id=row.tenant_id,
        name=row.name,
        prompt_id=row.prompt_id or "",
        model=row.model,
        quiet_window_ms=row.quiet_window_ms,
        fallback_text=row.fallback_text,
        turn_deadline_seconds=row.turn_deadline_seconds,
        reserve_tokens=row.reserve_tokens,
        manners=manners.read(row.manners) if row.manners else None,
        created_at=stamp(row.created_at),
        updated_at=stamp(row.updated_at),
    )


def prompt_version(row: tables.PromptVersion, *, live_version_id: str | None) -> directory.PromptVersion:
    return directory.PromptVersion(
        id=row.id,
        prompt_id=row.prompt_id,
        number=row.number,
        text=row.text,
        live=row.id == live_version_id,
        created_at=stamp(row.created_at),
    )


def contact(row: tables.Contact, identities: Iterable[tables.Identity]) -> directory.Contact:
    known = [
        directory.Identity(channel=each.channel, account_id=each.account_id, sender_id=each.sender_id, phone=each.phone)
        for each in identities
    ]
    return directory.Contact(
        id=row.id, tenant_id=row.tenant_id, name=row.name, identities=known, created_at=stamp(row.created_at)
    )


def api_key(row: tables.ApiKey) -> directory.ApiKey:
    return directory.ApiKey(
        id=row.id,
        tenant_id=row.tenant_id,
        name=row.name,
        prefix=row.prefix,
        scopes=row.scopes.split(),
        expires_at=_maybe(row.expires_at),
        revoked_at=_maybe(row.revoked_at),
        created_at=stamp(row.created_at),
    )


def conversation(row: tables.Conversation) -> conversation_pb2.Conversation:
    return conversation_pb2.Conversation(
        id=row.id,
        tenant_id=row.tenant_id,
        account_id=row.account_id,
        channel=row.channel,
        chat_id=row.chat_id,
        contact_id=row.contact_id,
        agent_id=row.agent_id,
        owner=words.OWNER[row.owner],
        owner_epoch=row.owner_epoch,
        prompt_version_id=row.prompt_version_id or "",
        model=row.model,
        last_seq=row.next_seq - 1,
        created_at=stamp(row.created_at),
        updated_at=stamp(row.updated_at),
        opted_out_at=_maybe(row.opted_out_at),
    )


def queue_entry(row: tables.QueueEntry) -> conversation_change_pb2.QueueEntry:
    return conversation_change_pb2.QueueEntry(
        id=row.id,
        conversation_id=row.conversation_id,
        turn_id=row.turn_id or "",
        reason=hand_offs.REASON[row.reason],
        summary=row.summary,
        created_at=stamp(row.created_at),
        due_at=stamp(row.due_at),
        taken_at=_maybe(row.taken_at),
        closed_at=_maybe(row.closed_at),
    )


def turn(row: tables.Turn) -> conversations.Turn:
    return conversations.Turn(
        id=row.id,
        tenant_id=row.tenant_id,
        conversation_id=row.conversation_id,
        state=words.TURN_STATE[row.state],
        reason=row.reason,
        attempts=row.attempts,
        messages=row.messages,
        model=row.model,
        created_at=stamp(row.created_at),
        due_at=stamp(row.due_at),
        deadline_at=stamp(row.deadline_at),
        ended_at=_maybe(row.ended_at),
        correlation_id=row.correlation_id,
    )


def message(row: tables.Message, *, delivery_state: str | None) -> chat.Message:
    return chat.Message(
        id=row.id,
        seq=row.seq,
        role=words.ROLE[row.role],
        text=row.text,
        attachments=[_attachment(each) for each in json.loads(row.attachments or "[]")],
        provider_at=stamp(row.provider_at),
        created_at=stamp(row.created_at),
        turn_id=row.turn_id or "",
        delivery_state=words.DELIVERY_STATE[delivery_state] if delivery_state else chat.DELIVERY_STATE_UNSPECIFIED,
        provider_message_id=row.provider_message_id or "",
        correlation_id=row.correlation_id,
        conversation_id=row.conversation_id,
        taken_back_at=_maybe(row.taken_back_at),
    )


def _attachment(stored: dict[str, Any]) -> chat.Attachment:
    """Stored under the contract's own field names."""
    return chat.Attachment(**stored)


def _maybe(when: datetime | None) -> Timestamp | None:
    return None if when is None else stamp(when)
