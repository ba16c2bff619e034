"""Who is told that a reply did not arrive, when a receipt says so? A human, where the account wants that."""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Protocol

import orjson

from parley.storage.v1.conversation_change_pb2 import HAND_OFF_REASON_NOT_DELIVERED, HandOff
from storage_service.domain import reply_windows
from storage_service.domain.changes import Changes
from storage_service.domain.rows import Delivery, Key, Lane, Receipt


class OptionRows(Protocol):
    """What accounts say."""

    async def options(self, accounts: Sequence[Key]) -> Mapping[Key, str]: ...


async def askers(rows: OptionRows, said: Sequence[Receipt]) -> Set[Key]:
    """The accounts, of receipts that say so, that want a human then."""
    failing = sorted({(each.tenant_id, each.account_id) for each in said if is_told(each)})
    found = await rows.options(failing) if failing else {}
    return {account for account, options in found.items() if orjson.loads(options).get("undelivered") == "human"}


def is_told(receipt: Receipt) -> bool:
    """Not of who opted out; what came too late is decided anew."""
    return receipt.state == "failed" and not (receipt.opted_out or receipt.window_closed)


def is_asked(delivery: Delivery, receipt: Receipt, *, askers: Set[Key]) -> bool:
    """Whether this is the end of a delivery that somebody is to hear of."""
    return is_told(receipt) and delivery.state == "failed" and (delivery.tenant_id, delivery.account_id) in askers


def tell(lane: Lane, delivery: Delivery, *, receipt: Receipt, changes: Changes, now: datetime) -> None:
    """Gives the conversation to the queue, if the agent has it."""
    why = " ".join(filter(None, (delivery.reason, receipt.provider_code)))
    hand_off = HandOff(reason=HAND_OFF_REASON_NOT_DELIVERED, summary=f"A reply did not reach them ({why}).")
    reply_windows.hand_over(lane, delivery, why=hand_off, entry_id=receipt.id, changes=changes, now=now)
