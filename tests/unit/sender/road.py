"""A courier whose storage and provider are the test's: what is recorded and what is called, in one list."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from channels.channel import (
    Answer,
    Call,
    Capabilities,
    Credentials,
    DeliveryError,
    Flow,
    Markup,
    Outgoing,
    Sent,
    TextLimit,
    Unknown,
)
from channels.media import Download, Gone
from channels.registry import CHANNELS
from kit.errors import MediaExpired, NotFound, ParleyError, StorageUnavailable
from kit.moments import stamp
from parley.chat.v1.message_pb2 import Attachment
from parley.storage.v1.delivery_requests_pb2 import AttemptOutcome, AttemptRecord, AttemptResult, LeasedDelivery
from parley.storage.v1.directory_pb2 import AccountSecrets, ChannelAccount
from sender_service.domain.addresses import Addresses
from sender_service.domain.courier import Clocks, Courier
from sender_service.domain.files import Files, Link
from sender_service.domain.pacing import pacing
from sender_service.domain.retries import Retries
from sender_service.domain.trips import Load
from sender_service.domain.windows import Silence

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Pigeon:
    """A channel of ten characters a part; what the provider answers is what it makes of it."""

    name = "pigeon"
    provider = "loft"
    max_text = TextLimit(size=10, unit="characters")
    credential_fields = ()
    address_environment = ""
    markup: Markup = "as_written"
    formatting = ""
    capabilities = Capabilities(receipts=True, reconciles=False, templates=True)
    window: timedelta | None = None
    unreadable = CHANNELS["api"].unreadable
    authenticate = CHANNELS["api"].authenticate
    decode = CHANNELS["api"].decode
    handshake = CHANNELS["api"].handshake
    imitate = CHANNELS["api"].imitate

    def __init__(self, fault: Callable[[], None] = lambda: None, *, asks_again: bool = False) -> None:
        self.seen: list[Outgoing] = []
        self._fault = fault
        self._asks_again = asks_again

    def deliver(self, outgoing: Outgoing, credentials: Credentials) -> Flow:
        self.seen.append(outgoing)
        call = Call("POST", "http://loft/", {}, outgoing.text.encode(), 5.0)
        try:
            answer = yield call
        except Unknown:
            if not self._asks_again:
                raise
            answer = yield call
        self._fault()
        return Sent(f"id-{answer.body.decode()}")


class _NoWay:
    """Leads to no file."""

    @asynccontextmanager
    async def read(self, _download: Download, *, trusted: str, most_bytes: int) -> AsyncIterator[AsyncIterator[bytes]]:
        del trusted, most_bytes
        raise Gone("refused_address")
        yield  # a generator


@dataclass
class Road:
    """One delivery's way. `answers` are what the provider does next: an Answer, or an error to raise."""

    answers: Iterator[Answer | Exception]
    refusals: Iterator[ParleyError | None]
    channel: Pigeon = field(default_factory=Pigeon)
    happened: list[str] = field(default_factory=list)
    records: list[AttemptRecord] = field(default_factory=list)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    now: float = 1000.0
    record_takes_seconds: float = 0.0
    read_takes_seconds: float = 0.0
    provider_hangs: bool = False
    becomes: str = ""  # what storage says that the delivery is after each record
    draft: str = ""
    options: dict[str, str] = field(default_factory=dict)
    said_by_human: bool = False
    stored: dict[str, bytes] = field(default_factory=dict)
    link: Link | None = None

    async def record(self, record: AttemptRecord, within_seconds: float) -> AttemptResult:
        refusal = next(self.refusals, None)
        name = AttemptOutcome.Name(record.outcome).removeprefix("ATTEMPT_OUTCOME_")
        self.happened.append(f"{name} {record.part}/{record.parts}" + ("+" if record.begin_next else ""))
        if refusal is not None:
            raise refusal
        self.records.append(record)
        self.now += self.record_takes_seconds
        return AttemptResult(state=self.becomes or None)

    async def read_stored(self, _tenant_id: str, media_id: str) -> bytes:
        self.happened.append(f"read {media_id}")
        self.now += self.read_takes_seconds
        if media_id == "away":
            raise StorageUnavailable
        if media_id not in self.stored:
            raise MediaExpired if media_id == "old" else NotFound
        return self.stored[media_id]

    async def settle(self, _leased: LeasedDelivery) -> str:
        self.happened += ["settled"] if self.draft else []
        return self.draft

    async def call(self, call: Call, _within_seconds: float) -> Answer:
        self.happened.append(f"call {call.body.decode()}")
        if self.provider_hangs:
            await asyncio.Event().wait()
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def courier(self) -> Courier:
        return Courier(
            channels={"pigeon": self.channel},
            record=self.record,
            provider=self.call,
            retries=Retries(5, timedelta(days=1), lambda: 0.5),
            pacing=pacing(0),
            addresses=Addresses("https://chat.example.com/", {"loft": "http://loft"}),
            files=Files(self.read_stored, _NoWay(), 1000, 30.0, self.link),
            clocks=Clocks(lambda: NOW, lambda: self.now),
            lease_seconds=60.0,
            settle=self.settle,
        )

    async def carry(
        self,
        text: str = "hello",
        *,
        channel: str = "pigeon",
        next_part: int = 0,
        attempts: int = 0,
        silence: Silence | None = None,
        attachments: Iterable[Attachment] = (),
    ) -> None:
        known = silence or Silence(None)
        account = ChannelAccount(id="a1", channel=channel, account_key="key1", address="roof", options=self.options)
        leased = LeasedDelivery(
            tenant_id="t1",
            delivery_id="d1",
            epoch=3,
            account_id="a1",
            chat_id="c1",
            text=text,
            created_at=stamp(NOW),
            next_part=next_part,
            attempts=attempts,
            attachments=attachments,
            last_inbound_at=_stamp(known.wrote_at),
            last_template_at=_stamp(known.template_at),
            window_closed_at=_stamp(known.refused_at),
            said_by_human=self.said_by_human,
        )
        await self.courier().deliver(Load(leased, AccountSecrets(account=account)), self.stopping)


def road(*answers: Answer | DeliveryError | Exception, refusals: Iterable[ParleyError | None] = ()) -> Road:
    return Road(iter(answers), iter(refusals))


def _stamp(at: datetime | None) -> Timestamp | None:
    return stamp(at) if at else None


def ok(name: str = "1") -> Answer:
    return Answer(200, {}, name.encode())
