"""What is on one phone? Its messages with their ticks, what goes wrong with it, and what happened, newest last.

Pure state: the switchboard does what leaves the process.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from channels.channel import Webhook
from sandbox import faults
from sandbox.formatting import Run
from sandbox.provider import Handset, Kept, Person, Sign, Taken

MOST_BUBBLES = 200
MOST_EVENTS = 100
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})  # shown in the bubble


@dataclass(frozen=True, slots=True)
class Shown:
    """A file on the phone; its bytes are read under its id."""

    id: str
    name: str
    media_type: str
    size_bytes: int


@dataclass(slots=True)
class Bubble:
    """One message as the person sees it. States of theirs: held, posting, heard, refused; of ours: taken, and on."""

    id: str
    mine: bool  # the person's own
    text: str
    at: datetime
    state: str
    note: str = ""
    taken: Taken | None = None  # what the provider took, of ours
    webhook: Webhook | None = None  # what the provider posts, of theirs
    kept: Kept | None = None  # what it tells to whoever listens, in place of posting
    due: tuple[str, ...] = ()  # receipts that have not been sent yet
    by_hand: bool = False  # they are sent when the person says so
    file: Shown | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the timeline."""

    at: datetime
    way: str  # "in" for what we post at the gateway, "out" for what Parley calls
    what: str
    status: str
    good: bool
    took_ms: int | None = None


@dataclass(slots=True)
class Phone:
    """One person on one channel."""

    handset: Handset
    person: Person
    number: int = 0  # of the person
    fault: str = faults.NONE
    seconds: int = 0
    automatic: bool = True  # receipts are sent by themselves
    bubbles: deque[Bubble] = field(default_factory=lambda: deque(maxlen=MOST_BUBBLES))
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=MOST_EVENTS))
    noted: int = 0  # events in all
    held: list[Bubble] = field(default_factory=list)  # said, and not posted yet
    writes_until: datetime | None = None  # as the person sees it, Parley writes
    draft: tuple[Run, ...] = ()  # what it has written so far
    draft_until: datetime | None = None
    patient_until: datetime | None = None  # no send is taken before, and one is from then on

    def find(self, bubble_id: str) -> Bubble | None:
        """The message with that id."""
        return next((each for each in self.bubbles if each.id == bubble_id), None)

    def heard(self) -> list[str]:
        """In what ways the messages travelled that were told to whoever listens, and have been heard just now."""
        found = [each for each in self.bubbles if each.kept and each.state == "posting" and each.kept.is_heard()]
        for bubble in found:
            bubble.state = "heard"
        return [each.kept.way for each in found if each.kept]

    def shows(self, taken: Taken) -> bool:
        """Whether a send is for the person who holds this phone now."""
        return taken.channel == self.handset.channel and taken.to == self.person.id

    def see(self, sign: Sign, now: datetime) -> None:
        """The person sees that we read, or that we write."""
        if sign.to != self.person.id:
            return
        if sign.writes_seconds:
            self.writes_until = now + timedelta(seconds=sign.writes_seconds)
        if sign.draft:
            self.draft, self.draft_until = sign.draft, now + timedelta(seconds=sign.draft_seconds)
        for bubble in self.bubbles:
            if sign.reads and bubble.mine and bubble.state in {"posting", "heard"}:
                bubble.state = "read"

    def lose(self, bubble_id: str) -> None:
        """The message with that id, where it still is."""
        if (gone := self.find(bubble_id)) is not None:
            self.bubbles.remove(gone)

    def receive(self, bubble: Bubble) -> None:
        """A message of ours: nobody writes it any more. An edited one stays where it stands."""
        self.writes_until = self.draft_until = None
        self.draft = ()
        if self.find(bubble.id) is None:
            self.bubbles.append(bubble)

    def wait(self, now: datetime) -> tuple[int, bool]:
        """Of a throttled phone: seconds that a send has yet to wait (0: it may go), and whether it came too early."""
        if self.patient_until is None:
            self.patient_until = now + timedelta(seconds=self.seconds)
            return self.seconds, False
        left = (self.patient_until - now).total_seconds()
        if left > 0:
            return int(left) + 1, True
        self.patient_until = None
        return 0, False

    def turn(self, fault: str, seconds: int) -> None:
        """What goes wrong from now on."""
        self.fault, self.seconds = fault, seconds or faults.FAULTS[fault].seconds
        self.patient_until = None

    def note(self, event: Event) -> None:
        """One more line of the timeline."""
        self.events.append(event)
        self.noted += 1

    def hand_over(self, person: Person, number: int) -> None:
        """Somebody else holds it now, to whom nothing happened yet."""
        self.person, self.number = person, number
        self.bubbles.clear()
        self.writes_until = self.draft_until = None
        self.draft = ()
        self.events.clear()
        self.held.clear()

    def snapshot(self, way: str = "") -> dict[str, Any]:
        """For the page."""
        return {
            "channel": self.handset.channel,
            "person": self.person.id,
            "way": way,
            "fault": self.fault,
            "seconds": self.seconds,
            "automatic": self.automatic,
            "bubbles": [_bubble(each) for each in self.bubbles],
            "events": [_event(each) for each in self.events],
            "noted": self.noted,
            "writes_until": _iso(self.writes_until),
            "draft": _dressed(self.draft),
            "draft_until": _iso(self.draft_until),
        }


def _bubble(bubble: Bubble) -> dict[str, Any]:
    return {
        "id": bubble.id,
        "mine": bubble.mine,
        "text": bubble.text,
        "runs": _dressed(_runs(bubble)),
        "at": bubble.at.isoformat(),
        "state": bubble.state,
        "note": bubble.note,
        "detail": bubble.taken.detail if bubble.taken else "",
        "next": bubble.due[0] if bubble.due and bubble.by_hand else "",
        "file": _file(bubble.file),
    }


def _file(shown: Shown | None) -> dict[str, Any] | None:
    if shown is None:
        return None
    is_picture = shown.media_type in PICTURES
    return {"id": shown.id, "name": shown.name, "size": shown.size_bytes, "picture": is_picture}


def _dressed(runs: tuple[Run, ...]) -> list[dict[str, Any]]:
    return [{"text": run.text, "styles": run.styles, "link": run.link} for run in runs]


def _iso(at: datetime | None) -> str:
    return at.isoformat() if at else ""


def _runs(bubble: Bubble) -> tuple[Run, ...]:
    return (bubble.taken.runs if bubble.taken else ()) or (Run(bubble.text),)


def _event(event: Event) -> dict[str, Any]:
    return {
        "at": event.at.isoformat(),
        "way": event.way,
        "what": event.what,
        "status": event.status,
        "good": event.good,
        "took_ms": event.took_ms,
    }
