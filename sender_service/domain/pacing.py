"""How fast may an account send? What its channel says, unless the account's options say otherwise."""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol

from channels.channel import Channel
from channels.rates import Rate
from parley.storage.v1 import pacing_pb2 as pb
from parley.storage.v1.directory_pb2 import ChannelAccount

MICROS = 1_000_000
LONGEST_INTERVAL, LARGEST_BURST = 86_400 * MICROS, 100_000  # the contract's


class Pacing(Protocol):
    """What a trip says with each record; None where nobody is called."""

    def __call__(self, channel: Channel, account: ChannelAccount, /, *, chat_id: str) -> pb.Pacing | None: ...


def pacing(tenant_per_second: float, *, paced: bool = True) -> Pacing:
    """0 sets the tenants no limit."""
    tenant = Rate(tenant_per_second, math.ceil(tenant_per_second)) if tenant_per_second > 0 else None

    def of(channel: Channel, account: ChannelAccount, /, *, chat_id: str) -> pb.Pacing | None:
        rates = channel.capabilities.rates
        if rates is None or not paced:
            return None
        own = _stated(account.options, "sends", declared=rates.account)
        theirs = _stated(account.options, "chat_sends", declared=rates.chat(chat_id))
        return _said(tenant, own, chat=theirs, recipient=rates.shared(chat_id))

    return of


def unpaced(_channel: Channel, _account: ChannelAccount, /, *, chat_id: str) -> pb.Pacing | None:
    """Where nothing is counted."""
    del chat_id
    return None


@lru_cache(maxsize=4096)
def _said(tenant: Rate | None, account: Rate | None, *, chat: Rate | None, recipient: str) -> pb.Pacing:
    """Few differ, and they are only read."""
    return pb.Pacing(tenant=_rate(tenant), account=_rate(account), chat=_rate(chat), recipient=recipient)


def _stated(options: Mapping[str, str], what: str, *, declared: Rate | None) -> Rate | None:
    """An option of 0 takes the limit away; one that cannot be read changes nothing."""
    per_second = _number(options.get(f"{what}_per_second", ""))
    burst = _number(options.get(f"{what}_burst", ""))
    if per_second is None and burst is None:
        return declared
    if per_second == 0 or (per_second is None and declared is None):
        return None
    base = declared or Rate(1.0)
    at_once = burst if burst is not None else (base.burst if per_second is None else max(1, per_second / 4))
    return Rate(base.per_second if per_second is None else per_second, int(at_once) or 1)


def _rate(rate: Rate | None) -> pb.Rate | None:
    if rate is None:
        return None
    interval = min(max(1, round(MICROS / rate.per_second)), LONGEST_INTERVAL)
    return pb.Rate(interval_micros=interval, burst=min(rate.burst, LARGEST_BURST))


def _number(stated: str) -> float | None:
    if not stated:
        return None
    try:
        number = float(stated)
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None
