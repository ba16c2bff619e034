"""What does a transaction write? Gathered by the rules as they go, written once, and then news for those who wait."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from storage_service.domain.hand_offs import QueueEntry
from storage_service.domain.media import Media
from storage_service.domain.pace import Pace, PaceKey
from storage_service.domain.rows import Attempt, Delivery, Key, Lane, Message, RawPayload, Receipt, Turn
from storage_service.domain.summaries import Summary

# People list conversations by when they moved. To say it more exactly than this would cost each move the entries that
# the row has in every index, because Postgres writes none only while no column of an index changes.
MOVED_EVERY = timedelta(seconds=5)


@dataclass(slots=True)
class Changes:
    """Everything that one transaction writes. The backends write it in this order."""

    messages: list[Message] = field(default_factory=list)
    new_turns: dict[str, Turn] = field(default_factory=dict)
    turns: dict[str, Turn] = field(default_factory=dict)
    # A waiting turn that grew, or that may be leased now: tenant_id, turn_id, due_at, messages, last_seq, free_at
    waiting: dict[str, tuple[str, str, datetime, int, int, datetime]] = field(default_factory=dict)
    # tenant_id, conversation_id, from turn, to turn, first seq, last seq
    moved: list[tuple[str, str, str, str, int, int]] = field(default_factory=list)
    new_deliveries: list[Delivery] = field(default_factory=list)
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    new_attempts: list[Attempt] = field(default_factory=list)
    attempts: dict[tuple[str, int], Attempt] = field(default_factory=dict)
    receipts: list[Receipt] = field(default_factory=list)
    matched: list[Receipt] = field(default_factory=list)
    raw_payloads: list[RawPayload] = field(default_factory=list)
    # Accounts, with the reason; and when it was, of what may be told late: one that was changed since stays as it is.
    paused: dict[Key, tuple[str, datetime | None]] = field(default_factory=dict)
    paces: dict[PaceKey, Pace] = field(default_factory=dict)
    # Accounts of which a receipt says that the provider had taken what nobody knew of.
    proven: set[Key] = field(default_factory=set)
    lanes: dict[str, Lane] = field(default_factory=dict)
    # tenant_id, conversation_id, what the model server calls it, the place where that was said; most turns bring none
    model_conversations: dict[str, tuple[str, str, str, int]] = field(default_factory=dict)
    # What few turns change in their conversations. tenant_id, conversation_id, model, language (None: as it is)
    chosen: dict[str, tuple[str, str, str | None, str | None]] = field(default_factory=dict)
    begun_anew: dict[str, Key] = field(default_factory=dict)
    queue_entries: list[QueueEntry] = field(default_factory=list)
    # Conversations in which nobody waits for a human any more. tenant_id, conversation_id, since when
    left_queue: dict[str, tuple[str, str, datetime]] = field(default_factory=dict)
    # By tenant and day (UTC).
    tokens: dict[tuple[str, str], int] = field(default_factory=dict)
    # Moved by nothing but a lease of their turn; by nothing but their deliveries.
    leased_turns: dict[str, Turn] = field(default_factory=dict)
    leased_lanes: dict[str, Lane] = field(default_factory=dict)
    sending_lanes: dict[str, Lane] = field(default_factory=dict)
    # Summary jobs: wanted, by conversation, and dropped when there is one; moved, by id.
    wanted_summaries: dict[str, Summary] = field(default_factory=dict)
    summaries: dict[str, Summary] = field(default_factory=dict)
    # tenant_id, conversation_id, summary, the last place that it covers
    summed_up: list[tuple[str, str, str, int]] = field(default_factory=list)
    # What is to be fetched; moved, by id. And the attachments of messages, as they are known now, by message.
    new_media: list[Media] = field(default_factory=list)
    media: dict[str, Media] = field(default_factory=dict)
    attached: dict[Key, str | None] = field(default_factory=dict)
    # Nothing to write: of whom it was learned that they want no messages, and what runs there has to end.
    left: dict[Key, Lane] = field(default_factory=dict)
    # Nothing to write: a job was seen that a worker may take, or a fetch.
    fetches_wait: bool = False
    summaries_wait: bool = False

    def touch(self, lane: Lane, now: datetime) -> None:
        if now - lane.updated_at >= MOVED_EVERY:
            lane.updated_at = now
        self.lanes[lane.id] = lane
