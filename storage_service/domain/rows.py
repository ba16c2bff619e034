"""What do the rules work on? The hot rows as plain values: the same names and order as the columns that are read."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from storage_service.domain.pace import STEPPED

Key = tuple[str, str]  # tenant_id, id
ERASED = "erased:"  # before a conversation's id: the chat of one that was erased
HOUR = timedelta(hours=1)


@dataclass(slots=True)
class Lane:
    """The moving part of a conversation, held under its row's lock while anybody changes it."""

    tenant_id: str
    id: str
    account_id: str
    chat_id: str
    channel: str
    agent_id: str
    owner: str
    owner_epoch: int
    next_seq: int
    last_inbound_seq: int
    last_inbound_at: datetime | None
    last_template_at: datetime | None
    window_closed_at: datetime | None
    chat_free_at: datetime | None
    last_reply_seq: int
    context_seq: int
    model_conversation_seq: int
    opted_out_at: datetime | None
    failed_in_row: int
    hour_began_at: datetime | None
    turns_in_hour: int
    waiting_turn_id: str | None
    waiting_since: datetime | None
    waiting_due_at: datetime | None
    waiting_messages: int
    held_until: datetime | None
    running_turn_id: str | None
    turn_due_at: datetime | None
    open_deliveries: int
    sending_delivery_id: str | None
    delivery_due_at: datetime | None
    delivery_parked: bool
    updated_at: datetime

    @property
    def key(self) -> Key:
        return self.tenant_id, self.id

    @property
    def is_erased(self) -> bool:
        return self.chat_id == f"{ERASED}{self.id}"

    def take_seq(self) -> int:
        self.next_seq += 1
        return self.next_seq - 1

    @property
    def opted_out(self) -> bool:
        """The contact wants no messages, whoever owns the conversation: they may come back by themselves."""
        return self.opted_out_at is not None

    @property
    def has_open_turn(self) -> bool:
        return self.running_turn_id is not None or self.waiting_turn_id is not None

    def give_to(self, owner: str) -> None:
        """Whoever worked for the owner before finds another epoch."""
        self.owner, self.owner_epoch = owner, self.owner_epoch + 1

    def count_turn(self, now: datetime) -> None:
        if self.hour_began_at is None or not -STEPPED < now - self.hour_began_at < HOUR:
            self.hour_began_at, self.turns_in_hour = now, 0
        self.turns_in_hour += 1

    def wait(self, turn_id: str, *, since: datetime, due_at: datetime, messages: int) -> None:
        self.waiting_turn_id, self.waiting_since, self.waiting_messages = turn_id, since, messages
        self.set_due(due_at)

    def set_due(self, due_at: datetime) -> None:
        """When the turn that waits may be leased; while another runs, behind that one."""
        self.waiting_due_at = due_at
        self._let_wait()

    def hold(self, until: datetime) -> None:
        """The turn that waits is not due before its attachments are here, or this time is over."""
        self.held_until = max(self.held_until or until, until)

    def let_go(self, now: datetime) -> None:
        """Nothing is waited for any more: the turn is due as it would have been."""
        held, self.held_until = self.held_until, None
        if held is not None and self.turn_due_at == held:
            self.turn_due_at = now if self.running_turn_id else self.waiting_due_at

    def hold_turn(self, turn_id: str) -> None:
        """A worker has the turn: nothing of the conversation may be leased meanwhile."""
        if self.waiting_turn_id == turn_id:
            self.forget_waiting()
        self.running_turn_id = turn_id
        self.turn_due_at = None

    def return_turn(self, due_at: datetime) -> None:
        """The running turn lost its worker and keeps its place before the one that waits."""
        self.turn_due_at = due_at

    def end_turn(self, turn_id: str) -> None:
        if self.waiting_turn_id == turn_id:
            self.forget_waiting()
        if self.running_turn_id == turn_id:
            self.running_turn_id = None
        self._let_wait()

    def _let_wait(self) -> None:
        if self.running_turn_id is None:
            self.turn_due_at = self.waiting_due_at and max(self.waiting_due_at, self.held_until or self.waiting_due_at)

    def forget_waiting(self) -> None:
        self.waiting_turn_id = self.waiting_since = self.waiting_due_at = self.held_until = None
        self.waiting_messages = 0

    def queue_delivery(self, due_at: datetime) -> None:
        self.open_deliveries += 1
        if self.sending_delivery_id is None and not self.delivery_parked:
            self.delivery_due_at = min(self.delivery_due_at or due_at, due_at)

    def hold_delivery(self, delivery_id: str) -> None:
        self.sending_delivery_id = delivery_id
        self.delivery_due_at = None

    def return_delivery(self, due_at: datetime) -> None:
        self.sending_delivery_id = None
        self.delivery_due_at = due_at

    def park(self) -> None:
        """Its account is paused: nothing is due until the account is active again."""
        self.sending_delivery_id = self.delivery_due_at = None
        self.delivery_parked = True

    def end_delivery(self, now: datetime) -> None:
        self.open_deliveries = max(0, self.open_deliveries - 1)
        self.sending_delivery_id = None
        self.delivery_due_at = now if self.open_deliveries and not self.delivery_parked else None


@dataclass(slots=True)
class Turn:
    """A turn as it is kept."""

    tenant_id: str
    id: str
    conversation_id: str
    state: str
    reason: str
    epoch: int
    worker_id: str
    expires_at: datetime | None
    attempts: int
    first_seq: int
    last_seq: int
    messages: int
    reply_seq: int
    replies: int
    deadline_seconds: int
    due_at: datetime
    deadline_at: datetime
    correlation_id: str
    traceparent: str
    model: str
    backend: str
    input_tokens: int
    output_tokens: int
    cost_micros: int
    model_ms: int
    created_at: datetime
    ended_at: datetime | None


@dataclass(slots=True)
class Message:
    """An entry of the history, about to be written."""

    tenant_id: str
    id: str
    conversation_id: str
    seq: int
    role: str
    text: str
    attachments: str | None
    message_metadata: str | None
    account_id: str
    chat_id: str
    sender_id: str
    provider_message_id: str | None
    reply_to_provider_message_id: str
    provider_at: datetime
    received_at: datetime | None
    created_at: datetime
    turn_id: str | None
    delivery_id: str | None
    correlation_id: str
    traceparent: str


@dataclass(slots=True)
class Delivery:
    """A delivery as it is kept."""

    tenant_id: str
    id: str
    conversation_id: str
    message_id: str
    account_id: str
    turn_id: str | None
    seq: int
    reply_to_seq: int
    state: str
    reason: str
    provider_code: str
    provider_message_id: str
    epoch: int
    worker_id: str
    expires_at: datetime | None
    lease_seconds: float
    begun: bool
    due_at: datetime
    attempts: int
    part_attempts: int
    parts: int
    parts_sent: int
    correlation_id: str
    traceparent: str
    created_at: datetime
    updated_at: datetime

    @property
    def key(self) -> Key:
        return self.tenant_id, self.id

    @property
    def leased(self) -> bool:
        return self.expires_at is not None


@dataclass(slots=True)
class Attempt:
    """One call to a provider for one part."""

    tenant_id: str
    delivery_id: str
    number: int
    account_id: str
    part: int
    template: bool
    epoch: int
    outcome: str
    provider_message_id: str
    provider_code: str
    reason: str
    receipt: str
    shown: str
    begun_at: datetime
    ended_at: datetime | None


@dataclass(slots=True)
class Receipt:
    """What a provider said later."""

    tenant_id: str
    id: str
    account_id: str
    provider_message_id: str
    delivery_id: str
    part: int
    state: str
    provider_code: str
    window_closed: bool
    opted_out: bool
    provider_at: datetime | None
    matched: bool
    created_at: datetime


@dataclass(slots=True)
class RawPayload:
    """A webhook's body as it came."""

    tenant_id: str
    id: str
    account_id: str
    conversation_id: str
    payload: bytes
    unreadable: str
    correlation_id: str
    created_at: datetime
