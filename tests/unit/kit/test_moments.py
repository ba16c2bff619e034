"""Do times, durations, ids and correlation ids keep their form?"""

from datetime import UTC, datetime, timedelta

import pytest

from kit import access, correlation, deadlines
from kit.errors import CredentialMissing
from kit.ids import new_id
from kit.moments import moment, seconds, span, stamp, utc_now


@pytest.mark.parametrize(
    "when",
    [
        datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 5, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ],
)
def test_a_time_comes_back_as_it_went(when: datetime) -> None:
    assert moment(stamp(when)) == when
    assert 0 <= stamp(when).nanos < 1_000_000_000


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(TypeError):
        stamp(datetime(2026, 1, 1))


@pytest.mark.parametrize("value", [0.0, 1.25, -1.25, 0.000001, 86400.5])
def test_a_duration_comes_back_as_it_went(value: float) -> None:
    assert seconds(span(timedelta(seconds=value))) == pytest.approx(value)


def test_ids_sort_by_time_and_now_is_aware() -> None:
    ids = [new_id() for _ in range(100)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 100
    assert utc_now().tzinfo is UTC


@pytest.mark.parametrize("offered", ["", "with space", "x" * 65, "line\nbreak", "é"])
def test_a_correlation_id_that_cannot_travel_is_replaced(offered: str) -> None:
    assert correlation.accept(offered) != offered
    assert correlation.accept("fine-1") == "fine-1"


def test_outside_of_a_call_there_is_no_caller_and_no_deadline() -> None:
    assert deadlines.remaining() is None
    assert deadlines.within(3.0) == 3.0
    with pytest.raises(CredentialMissing):
        access.caller()
