"""Where does a message of one sender in one chat belong? What is there already, and who is seen for the first time."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who was never seen before, as their first message shows them."""

    name: str
    phone: str


@dataclass(frozen=True, slots=True)
class Seat:
    """The place of one sender in one chat: account settings, and rows that exist already."""

    channel: str
    account_state: str
    agent_id: str
    quiet_ms: int
    deadline_seconds: int
    prompt_version_id: str | None
    conversation_id: str | None
    contact_id: str | None
    manners: str | None = None

    @property
    def quiet(self) -> timedelta:
        return timedelta(milliseconds=self.quiet_ms)
