"""What can go wrong between a provider and Parley, on purpose? Each fault stays until it is switched back."""

from collections.abc import Mapping
from dataclasses import dataclass

NONE = "none"
MOST_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Fault:
    """One way, for the list on a phone."""

    title: str
    hint: str
    seconds: int = 0  # how long, unless the person says otherwise; 0 where nothing is waited for


FAULTS: Mapping[str, Fault] = {
    NONE: Fault("Nothing goes wrong", "As on a good day."),
    "duplicate": Fault("Webhook comes twice", "Each message is posted two times at once. It must be answered once."),
    "reorder": Fault("Webhooks change places", "A message is held back until the next one has been posted."),
    "delay": Fault("Webhook comes late", "Each message is posted after a while.", seconds=4),
    "throttled": Fault("429 with Retry-After", "Each send is refused, and taken once it has waited.", seconds=3),
    "broken": Fault(
        "Provider is broken (5xx)", "Nothing is taken. Parley tries again, ever more patiently, one call at a time."
    ),
    "lost": Fault("Answer is lost", "Sends are taken, but the answer never comes: unknown until a receipt tells."),
    "closed": Fault("Window is closed", "Each send is refused: more than 24 hours since the person wrote."),
    "used_up": Fault("Month is used up", "Each push is refused until the month ends, or somebody pays for more."),
    "opted_out": Fault("Person has opted out", "Each send is refused: they wrote STOP to this number before (21610)."),
    "window": Fault("Window is closed", "WhatsApp refuses: more than 24 hours since the person wrote (63016)."),
}
EVERYWHERE = (NONE, "duplicate", "reorder", "delay", "throttled", "broken", "lost")


def offered(own: tuple[str, ...]) -> tuple[str, ...]:
    """Those of a phone, in the order of the list."""
    return (*EVERYWHERE, *own)
