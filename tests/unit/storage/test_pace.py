"""How fast, and how carefully? One account's pace by itself, at any rate and through any weather."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as some

from parley.storage.v1.pacing_pb2 import Rate
from storage_service.domain.pace import LAST_PAUSE, SILENT, Pace

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FREE = Rate()


def fresh() -> Pace:
    return Pace("t", "a", "")


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def may(pace: Pace, at: datetime, rate: Rate = FREE, delivery: str = "d", *, waited: bool = False) -> bool:
    return pace.soonest(rate, delivery, waited=waited, now=at) is None


@given(
    per_second=some.integers(1, 200),
    burst=some.integers(1, 50),
    gaps=some.lists(some.floats(0, 0.5, allow_nan=False), max_size=200),
)
def test_no_second_ever_holds_more_than_the_rate_and_the_burst(per_second: int, burst: int, gaps: list[float]) -> None:
    pace, rate = fresh(), Rate(interval_micros=1_000_000 // per_second, burst=burst)
    at, taken = NOW, []
    for gap in gaps:
        at += timedelta(seconds=gap)
        if may(pace, at, rate):
            pace.take(rate, at)
            pace.lives(at)
            taken.append(at)
    second = timedelta(seconds=1)
    fullest = max((sum(1 for each in taken[i:] if each - taken[i] < second) for i in range(len(taken))), default=0)
    assert fullest <= per_second + burst + 1


def test_when_all_that_may_be_tried_has_failed_another_try_follows_soon() -> None:
    pace = fresh()
    pace.throttled(timedelta(seconds=1), began_at=NOW, now=NOW)
    pace.take(FREE, after(2))
    pace.lives(after(2))
    assert pace.allowed == 2
    for seconds in (3, 4):
        assert may(pace, after(seconds))
        pace.take(FREE, after(seconds))
        pace.failed("d", began_at=after(seconds), now=after(seconds))
    assert may(pace, after(5))


@given(gaps=some.lists(some.floats(0.01, 30, allow_nan=False), min_size=1, max_size=20))
def test_calls_of_which_nothing_is_heard_hold_nobody_longer_than_any_call_lasts(gaps: list[float]) -> None:
    pace = fresh()
    while may(pace, NOW):
        pace.take(FREE, NOW)
    at = NOW
    for gap in gaps:
        at += timedelta(seconds=gap)
        soonest = pace.soonest(FREE, "d", waited=True, now=at)
        assert soonest is None or soonest <= NOW + SILENT


@given(quantities=some.lists(some.integers(0, 10), min_size=1, max_size=60), burst=some.integers(1, 50))
def test_what_counts_for_several_makes_those_after_it_wait_the_longer(quantities: list[int], burst: int) -> None:
    pace, rate = fresh(), Rate(interval_micros=100_000, burst=burst)
    at, counted = NOW, 0
    for quantity in quantities:
        while not may(pace, at, rate, waited=True):
            at += timedelta(milliseconds=10)
        assert counted <= 10 * (at - NOW).total_seconds() + burst - 1, "all before it are within the rate and the burst"
        pace.take(rate, at, quantity=quantity)
        pace.lives(at)
        counted += max(quantity, 1)
    assert (at - NOW).total_seconds() <= max(0, counted - max(quantities[-1], 1) - burst + 1) / 10 + 0.01, (
        "and hardly less"
    )


def test_a_few_calls_find_out_for_all_whether_the_provider_answers() -> None:
    pace = fresh()
    begun = 0
    while may(pace, NOW):
        pace.take(FREE, NOW)
        begun += 1
    assert begun == 4
    pace.lives(NOW)
    more = 0
    while may(pace, NOW):
        pace.take(FREE, NOW)
        more += 1
    assert more == 16, "four times as many, once it does"


def test_calls_that_never_end_do_not_stop_an_account_for_ever() -> None:
    pace = fresh()
    for _ in range(4):
        pace.take(FREE, NOW)
    assert not may(pace, after(19))
    assert may(pace, after(20))


def test_each_pause_is_longer_until_five_minutes_and_ends_with_one_call() -> None:
    pace, at, pauses = fresh(), NOW, []
    for number in range(16):
        pace.take(FREE, at)
        pace.failed(f"d{number}", began_at=at, now=at)
        until = pace.paused_until("other")
        if until is not None and until > at:
            pauses.append(until - at)
            at = until
            assert may(pace, at)
            pace.take(FREE, at)
            assert not may(pace, at), "one call finds out"
            pace.unproven = 0
    assert pauses[0] < timedelta(seconds=1)
    assert max(pauses) <= LAST_PAUSE
    assert pauses[-1] >= LAST_PAUSE * 0.75


def test_one_message_that_fails_over_and_over_does_not_stop_the_others() -> None:
    pace = fresh()
    for number in range(5):
        pace.take(FREE, after(number * 60))
        pace.failed("poor", began_at=after(number * 60), now=after(number * 60))
    assert not may(pace, after(241), delivery="poor")
    assert may(pace, after(241), delivery="another")
    pace.take(FREE, after(241))
    pace.failed("another", began_at=after(241), now=after(241))
    assert not may(pace, after(242), delivery="a third"), "two that fail are no accident"


def test_what_was_under_way_when_an_account_stopped_says_nothing_new() -> None:
    pace = fresh()
    for number in range(4):
        pace.take(FREE, NOW)
        pace.failed(f"d{number}", began_at=NOW, now=after(1))
    stopped_until = pace.ill_until
    pace.failed("late", began_at=NOW, now=after(1.1))
    pace.lives(NOW)
    assert pace.ill_until == stopped_until


def test_a_success_does_not_shorten_what_the_provider_asked_for() -> None:
    pace = fresh()
    pace.take(FREE, NOW)
    pace.throttled(timedelta(seconds=7), began_at=NOW, now=NOW)
    pace.lives(after(1))
    assert not may(pace, after(7))
    assert may(pace, after(7.2))


def test_accounts_of_one_provider_do_not_come_back_in_the_same_moment() -> None:
    ends = set()
    for name in range(20):
        pace = Pace("t", f"account-{name}", "")
        for number in range(3):
            pace.take(FREE, NOW)
            pace.failed(f"d{number}", began_at=NOW, now=NOW)
        ends.add(pace.ill_until)
    assert len(ends) == 20


@given(
    back=some.floats(21, 86_400, allow_nan=False),
    calls=some.integers(1, 60),
    waiting=some.integers(0, 50),
    failed=some.booleans(),
)
def test_a_clock_that_is_set_back_is_no_reason_to_wait(back: float, calls: int, waiting: int, failed: bool) -> None:
    pace, rate = fresh(), Rate(interval_micros=33_333, burst=30)
    for _ in range(calls):
        pace.take(rate, NOW)
        pace.lives(NOW)
    for _ in range(waiting):
        pace.line_up(NOW, rate, waited=False, stopped=False)
    for _ in range(3 * failed):
        pace.failed("d", began_at=NOW, now=NOW)
    assert may(pace, after(-back), rate)
    pace.take(rate, after(-back))
    pace.lives(after(-back))
    assert pace.unproven == 0


def test_what_the_provider_asked_for_is_kept_when_the_clock_is_set_back() -> None:
    pace = fresh()
    pace.take(FREE, NOW)
    pace.throttled(timedelta(seconds=30), began_at=NOW, now=NOW)
    assert not may(pace, after(-60))
    assert may(pace, after(31))


def test_a_transaction_that_waited_for_its_row_is_no_clock_that_was_set_back() -> None:
    pace, rate = fresh(), Rate(interval_micros=60_000_000, burst=1)
    pace.take(rate, NOW)
    assert not may(pace, after(-5), rate)
