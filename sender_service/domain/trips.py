"""What is on its way to a provider, and how far did it come?"""

from dataclasses import dataclass

from channels.channel import Channel
from channels.rendering import Part
from parley.chat.v1.message_pb2 import DELIVERY_STATE_QUEUED, DeliveryState
from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from parley.storage.v1.directory_pb2 import AccountSecrets
from parley.storage.v1.pacing_pb2 import Pacing


@dataclass(frozen=True, slots=True)
class Load:
    """One leased delivery, and the account that it is sent from."""

    leased: LeasedDelivery
    secrets: AccountSecrets


@dataclass(slots=True)
class Trip:
    """A load on its way."""

    load: Load
    channel: Channel
    parts: list[Part]
    part: int
    attempts: int  # of this part, before this one
    pacing: Pacing | None
    draft: str = ""  # the provider's id of the draft whose place the first part takes
    as_human: bool = False  # said within the window of humans
    template: str = ""  # goes out in the place of the text, as one part
    state: DeliveryState = DELIVERY_STATE_QUEUED  # as storage has it: UNKNOWN when a call before may have been taken
    usable_until: float = 0.0  # monotonic; no call may be under way later than this
