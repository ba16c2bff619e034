"""Who is told that a reply did not arrive, when a receipt says so? A human, where the account wants that."""

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from typing import Protocol

import orjson

from parley.storage.v1.conversation_change_pb2 import HAND_OFF_REASON_NOT_DELIVERED, HandOff
from storage_service.domain import reply_windows
from storage_service.domain.changes import Changes
from storage_service.domain.rows import Attempt, Delivery, Key, Lane, Receipt

BY_RECEIPT = "receipt"  # why it has failed


class OptionRows(Protocol):
    """What accounts say."""

    async def options(self, accounts: Sequence[Key]) -> Mapping[Key, str]: ...


async def askers(rows: OptionRows, said: Sequence[Receipt], *, attempts: Iterable[Attempt]) -> Set[Key]:
    """The accounts that want a human then: of receipts that say so now, and of calls of which one said so before."""
    failing = {(each.tenant_id, each.account_id) for each in said if is_told(each)}
    failing |= {(each.tenant_id, each.account_id) for each in attempts if each.receipt == "failed"}
    found = await rows.options(sorted(failing)) if failing else {}
    return {account for account, options in found.items() if orjson.loads(options).get("undelivered") == "human"}


def is_told(receipt: Receipt) -> bool:
    """Not of who opted out; what came too late is decided anew."""
    return receipt.state == "failed" and not (receipt.opted_out or receipt.window_closed)


def is_asked(delivery: Delivery, before: str, *, askers: Set[Key]) -> bool:
    """Whether receipts have just made it fail, and somebody is to hear of that."""
    has_failed = delivery.state == "failed" != before and delivery.reason == BY_RECEIPT
    return has_failed and (delivery.tenant_id, delivery.account_id) in askers


def tell(lane: Lane, delivery: Delivery, *, entry_id: str, changes: Changes, now: datetime) -> None:
    """Gives the conversation to the queue, if the agent has it."""
    why = " ".join(filter(None, (delivery.reason, delivery.provider_code)))
    hand_off = HandOff(reason=HAND_OFF_REASON_NOT_DELIVERED, summary=f"A reply did not reach them ({why}).")
    reply_windows.hand_over(lane, delivery, why=hand_off, entry_id=entry_id, changes=changes, now=now)
