"""Was every promise kept? Compares the ledger, the provider's log and what storage tells anybody; never its tables."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import conversation_service_pb2 as conversations
from parley.storage.v1 import outbox_service_pb2 as outbox
from parley.storage.v1.directory_pb2 import Delivery
from tests.chaos.load import Ledger
from tests.chaos.model import NAMED
from tests.mesh.rig import TENANT, Storage
from tests.simulated.wire import Send
from tests.stalls import PATIENCE_SECONDS

CALL_SECONDS = PATIENCE_SECONDS
# What a person got, or will get when a receipt or an operator says so.
GONE_OUT = {chat.DELIVERY_STATE_SENT, chat.DELIVERY_STATE_DELIVERED, chat.DELIVERY_STATE_READ}


@dataclass
class Findings:
    """What was seen. The first three must be empty."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    inverted: list[str] = field(default_factory=list)
    unknown: int = 0  # deliveries that stand as unknown: their messages are answered by nothing that we know of
    answered: int = 0
    told: int = 0  # by the fallback text: the model was away

    @property
    def broken(self) -> bool:
        return bool(self.lost or self.doubled or self.inverted)


def numbers(sends: Iterable[Send]) -> list[int]:
    """The messages of one person that were answered, in the order of the answers."""
    return [int(name.partition("-")[2]) for send in sends for name in NAMED.findall(send.text)]


def seen_at_once(sends: Sequence[Send]) -> Findings:
    """What the provider's log alone shows, at any time: answers given twice, and answers out of order."""
    found = Findings()
    for who, theirs in _by_person(sends).items():
        answered = numbers(theirs)
        found.answered += len(set(answered))
        found.doubled += [f"{who} {number}" for number, times in Counter(answered).items() if times > 1]
        first_times = list(dict.fromkeys(answered))
        if first_times != sorted(first_times):
            found.inverted.append(f"{who}: {first_times}")
    return found


async def audit(ledger: Ledger, sends: Sequence[Send], storage: Storage) -> Findings:
    """The whole account, after everything has come to rest."""
    found = seen_at_once(sends)
    by_person = _by_person(sends)
    found.unknown = len(await storage.deliveries(chat.DELIVERY_STATE_UNKNOWN))
    for who, acknowledged in ledger.acknowledged.items():
        theirs = by_person.get(who, [])
        missing = set(acknowledged) - set(numbers(theirs))
        silent = [send for send in theirs if not NAMED.search(send.text)]
        if missing or silent:
            await _account_for(who, missing, silent, storage=storage, found=found)
    return found


async def _account_for(
    who: str, missing: set[int], silent: Sequence[Send], *, storage: Storage, found: Findings
) -> None:
    """Answers that name no message: the fallback text. Who got it, and was each sent once?"""
    history, deliveries = await _history(who, storage)
    replies = {each.turn_id: each for each in history if each.role == chat.ROLE_AGENT}
    states = {each.message_id: each.state for each in deliveries}
    turns = {number: each.turn_id for each in history for number in _own(each)}
    for number in sorted(missing):
        reply = replies.get(turns.get(number, ""))
        state = states.get(reply.id) if reply else None
        if state in GONE_OUT:
            found.told += 1
        elif state != chat.DELIVERY_STATE_UNKNOWN:
            found.lost.append(f"{who} {number} (turn {turns.get(number, 'none')}, delivery {state})")
    told = [each for each in replies.values() if not NAMED.search(each.text)]
    if len(silent) > len(told):
        found.doubled.append(f"{who}: {len(silent)} fallback texts sent for {len(told)} turns")


async def _history(who: str, storage: Storage) -> tuple[list[chat.Message], list[Delivery]]:
    meta, conversation = storage.metadata, await _conversation(who, storage)
    messages: list[chat.Message] = []
    while True:
        after = messages[-1].seq if messages else 0
        page = conversations.ListMessagesRequest(
            tenant_id=TENANT, conversation_id=conversation, after_seq=after, page_size=500
        )
        listed = await storage.conversations.ListMessages(page, metadata=meta, timeout=CALL_SECONDS)
        messages += listed.messages
        if not listed.more:
            break
    asked = outbox.ListDeliveriesRequest(tenant_id=TENANT, conversation_id=conversation, page_size=500)
    deliveries = await storage.outbox.ListDeliveries(asked, metadata=meta, timeout=CALL_SECONDS)
    return messages, list(deliveries.deliveries)


async def _conversation(who: str, storage: Storage) -> str:
    for account in await storage.accounts():
        if account.channel == "whatsapp":
            asked = conversations.GetConversationRequest(tenant_id=TENANT, account_id=account.id, chat_id=who)
            found = await storage.conversations.GetConversation(asked, metadata=storage.metadata, timeout=CALL_SECONDS)
            return found.conversation.id
    raise LookupError(who)


def _own(message: chat.Message) -> list[int]:
    if message.role != chat.ROLE_CONTACT:
        return []
    return [int(name.partition("-")[2]) for name in NAMED.findall(message.text)]


def _by_person(sends: Iterable[Send]) -> Mapping[str, list[Send]]:
    grouped: dict[str, list[Send]] = {}
    for send in sends:
        grouped.setdefault(send.to.removeprefix("whatsapp:"), []).append(send)
    return grouped
