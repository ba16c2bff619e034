"""Do ids sort by the time of their making, so that a moment finds where its own begin?"""

from datetime import timedelta

from kit.ids import earliest_id, new_id
from kit.moments import EPOCH, utc_now


def test_an_id_sorts_behind_the_earliest_of_its_moment_and_before_that_of_a_later_one() -> None:
    before = utc_now() - timedelta(seconds=1)
    assert earliest_id(before) < new_id() < earliest_id(before + timedelta(minutes=1))


def test_the_earliest_id_of_a_moment_has_the_milliseconds_of_an_id() -> None:
    made = new_id()
    at = EPOCH + timedelta(milliseconds=int(made.replace("-", "")[:12], 16))
    assert made.startswith(earliest_id(at))
