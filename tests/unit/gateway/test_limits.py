"""How much is too much?"""

from datetime import timedelta

from gateway.domain.limits import Places, RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_is_over_the_limit_is_told_when_to_come_again() -> None:
    clock = Clock()
    limit = RateLimit(2, timedelta(seconds=60), clock=clock)
    assert limit.take("a") is None
    clock.now += 10
    assert limit.take("a") is None
    assert limit.take("a") == timedelta(seconds=50)
    assert limit.take("b") is None
    clock.now += 50
    assert limit.take("a") is None


def test_any_number_of_callers_takes_a_bounded_memory() -> None:
    limit = RateLimit(1, timedelta(seconds=60), clock=Clock(), most_keys=100)
    for number in range(10_000):
        limit.take(str(number))
    assert limit.take("9999") is not None  # still remembered
    assert limit.take("0") is None  # long forgotten


def test_places_are_bounded_in_all_and_for_each() -> None:
    places = Places(3, 2)
    assert [places.take("a") for _ in range(3)] == [True, True, False]
    assert [places.take(other) for other in "bc"] == [True, False]
    places.leave("a")
    assert places.take("c")
