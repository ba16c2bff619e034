"""Which of the things that may be wrong with an account is said, and from when on?"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage_service.domain.account_options import violations
from storage_service.domain.health import Health, Signs, Standing, judge

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
LONG_AGO, HOUR, DAY = NOW - timedelta(days=90), timedelta(hours=1), timedelta(days=1)


def judged(
    state: str = "active",
    reason: str = "",
    *,
    hours: str = "",
    unheard: datetime | None = None,
    opens: bool = True,
    **signs: Any,
) -> tuple[str, str]:
    options = {"silent_after_hours": hours} if hours else {}
    standing = Standing(
        state,
        reason,
        created_at=LONG_AGO,
        signs=Signs(**signs),
        unheard_since=unheard,
        options=options,
        opens=opens,
    )
    found = judge(standing, NOW)
    return found.level, found.reason


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, ("ok", "")),
        ({"state": "paused", "reason": "unauthorized"}, ("broken", "unauthorized")),
        ({"state": "paused", "reason": "operator"}, ("look", "paused")),
        ({"state": "disabled", "reason": "removed"}, ("look", "disabled")),
        ({"opens": False}, ("broken", "secret_unreadable")),
        ({"opens": False, "refused_in_row": 9}, ("broken", "secret_unreadable")),
        ({"refused_in_row": 4}, ("ok", "")),
        ({"refused_in_row": 5}, ("broken", "webhooks_refused")),
        ({"credentials_expire_at": NOW + 8 * DAY}, ("ok", "")),
        ({"credentials_expire_at": NOW + 7 * DAY}, ("look", "token_expires")),
        ({"credentials_expire_at": NOW}, ("broken", "token_expired")),
        ({"heard_at": NOW - 30 * DAY}, ("ok", "")),
        ({"unheard": NOW - timedelta(seconds=119)}, ("ok", "")),
        ({"unheard": NOW - timedelta(minutes=2)}, ("broken", "listener_lost")),
        ({"hours": "24", "heard_at": NOW - DAY + HOUR}, ("ok", "")),
        ({"hours": "24", "heard_at": NOW - DAY}, ("look", "silent")),
        ({"hours": "24"}, ("look", "silent")),
        ({"refused_in_row": 9, "credentials_expire_at": NOW - DAY}, ("broken", "token_expired")),
        ({"state": "paused", "reason": "unauthorized", "refused_in_row": 9}, ("broken", "unauthorized")),
        ({"hours": "24", "credentials_expire_at": NOW + DAY}, ("look", "token_expires")),
    ],
)
def test_the_worst_that_is_known_is_said(given: dict[str, Any], said: tuple[str, str]) -> None:
    assert judged(**given) == said


def test_it_says_since_when() -> None:
    signs = Signs(refused_in_row=7, refused_since=NOW - HOUR)
    standing = Standing("active", "", created_at=LONG_AGO, signs=signs)
    assert judge(standing, NOW) == Health("broken", "webhooks_refused", NOW - HOUR)


@pytest.mark.parametrize(
    ("hours", "wrong"), [("", 0), ("1", 0), ("8760", 0), ("0", 1), ("8761", 1), ("-3", 1), ("a", 1)]
)
def test_hours_of_silence_are_a_whole_number(hours: str, wrong: int) -> None:
    assert len(violations({"silent_after_hours": hours})) == wrong
