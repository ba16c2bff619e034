"""Does a channel account work, as far as the mesh can tell without asking its provider? The worst that is known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from storage_service.domain.words import UNAUTHORIZED

Level = Literal["ok", "look", "broken"]

REFUSED_IN_ROW = 5  # a stranger with a wrong guess is no sign; who is refused so often, and never believed, is
SOON = timedelta(days=7)
UNHEARD = timedelta(minutes=2)  # a listener that connects anew, or is taken over, is heard again before


@dataclass(frozen=True, slots=True)
class Signs:
    """What was noted of an account."""

    refused_in_row: int = 0
    refused_reason: str = ""
    refused_since: datetime | None = None
    believed_at: datetime | None = None
    heard_at: datetime | None = None
    credentials_expire_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """An account, with what was noted of it."""

    state: str
    state_reason: str
    created_at: datetime
    signs: Signs = field(default_factory=Signs)
    unheard_since: datetime | None = None  # of one that is listened for: since when its provider is not heard
    options: Mapping[str, str] = field(default_factory=dict)
    opens: bool = True  # its credentials, with the keys that this storage has


@dataclass(frozen=True, slots=True)
class Health:
    """How bad it is, and why."""

    level: Level
    reason: str = ""
    since: datetime | None = None


Check = Callable[[Standing, datetime], Health | None]


def judge(standing: Standing, now: datetime) -> Health:
    """The first of the checks that finds something."""
    found = (check(standing, now) for check in CHECKS)
    return next((each for each in found if each is not None), Health("ok"))


def _paused(standing: Standing, _now: datetime) -> Health | None:
    if standing.state == "active":
        return None
    if standing.state == "paused" and standing.state_reason == UNAUTHORIZED:
        return Health("broken", UNAUTHORIZED)
    return Health("look", standing.state)


def _sealed(standing: Standing, _now: datetime) -> Health | None:
    return None if standing.opens else Health("broken", "secret_unreadable")


def _expired(standing: Standing, now: datetime) -> Health | None:
    ends = standing.signs.credentials_expire_at
    return Health("broken", "token_expired", ends) if ends is not None and ends <= now else None


def _refused(standing: Standing, _now: datetime) -> Health | None:
    signs = standing.signs
    if signs.refused_in_row < REFUSED_IN_ROW:
        return None
    return Health("broken", "webhooks_refused", signs.refused_since)


def _unheard(standing: Standing, now: datetime) -> Health | None:
    since = standing.unheard_since
    return Health("broken", "listener_lost", since) if since is not None and now - since >= UNHEARD else None


def _expires(standing: Standing, now: datetime) -> Health | None:
    ends = standing.signs.credentials_expire_at
    return Health("look", "token_expires", None) if ends is not None and ends - now <= SOON else None


def _silent(standing: Standing, now: datetime) -> Health | None:
    hours = standing.options.get("silent_after_hours", "")
    since = standing.signs.heard_at or standing.created_at
    if not hours.isdigit() or now - since < timedelta(hours=int(hours)):
        return None
    return Health("look", "silent", since)


# The worst first.
CHECKS: tuple[Check, ...] = (_paused, _sealed, _expired, _refused, _unheard, _expires, _silent)
