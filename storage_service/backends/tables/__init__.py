"""Which tables there are: every row that Parley keeps, on SQLite and on Postgres alike."""

from storage_service.backends.tables.account_signs import AccountSigns
from storage_service.backends.tables.conversations import Contact, Conversation, Identity, Message, RawPayload
from storage_service.backends.tables.directory import (
    Agent,
    ApiKey,
    ChannelAccount,
    Prompt,
    PromptVersion,
    Tenant,
)
from storage_service.backends.tables.drafts import Draft
from storage_service.backends.tables.hand_offs import QueueEntry
from storage_service.backends.tables.listeners import Listener
from storage_service.backends.tables.media import Media, MediaPiece
from storage_service.backends.tables.paces import Pace
from storage_service.backends.tables.records import Audit, Replica, Request, TokenDay, Tombstone
from storage_service.backends.tables.summaries import Summary
from storage_service.backends.tables.work import Attempt, Delivery, Receipt, Turn

__all__ = [
    "AccountSigns",
    "Agent",
    "ApiKey",
    "Attempt",
    "Audit",
    "ChannelAccount",
    "Contact",
    "Conversation",
    "Delivery",
    "Draft",
    "Identity",
    "Listener",
    "Media",
    "MediaPiece",
    "Message",
    "Pace",
    "Prompt",
    "PromptVersion",
    "QueueEntry",
    "RawPayload",
    "Receipt",
    "Replica",
    "Request",
    "Summary",
    "Tenant",
    "TokenDay",
    "Tombstone",
    "Turn",
]
