"""What does the page know of the phones from the beginning? What never changes: names, colours, what can go wrong."""

from typing import Any

from sandbox import faults
from sandbox.phone import Phone
from sandbox.switchboard import Switchboard


def about(switchboard: Switchboard) -> list[dict[str, Any]]:
    """What never changes: each phone's name, colours, and what can go wrong with it."""
    return [_about(phone) for phone in switchboard.phones.values()]


def _about(phone: Phone) -> dict[str, Any]:
    skin = phone.handset.skin
    return {
        "channel": phone.handset.channel,
        "title": phone.handset.title,
        "receipts": bool(phone.handset.receipts),
        "skin": {
            "bar": skin.bar,
            "mine": skin.mine,
            "mine-dark": skin.mine_dark,
            "wall": skin.wall,
            "wall-dark": skin.wall_dark,
        },
        "faults": [
            {"name": name, "title": fault.title, "hint": fault.hint, "seconds": fault.seconds}
            for name in faults.offered(phone.handset.faults)
            for fault in (faults.FAULTS[name],)
        ],
    }
