"""Are retries never more than a tenth of the calls, and a few in hand?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import ModelUnavailable
from llm_service.domain.breaker import Rule
from llm_service.domain.budget import MOST_IN_HAND, SHARE, Budget
from llm_service.domain.record import Record
from parley.llm.v1 import prompt_pb2
from tests.unit.llm.scripted import Scripted, calls_through, route_to


def test_of_a_thousand_calls_a_tenth_may_be_asked_again_and_ten_more() -> None:
    budget, spent = Budget(), 0

    for _ in range(1000):
        budget.earn()
        spent += sum(budget.spend() for _ in range(3))

    assert 100 <= spent <= 110


def test_a_quiet_service_may_retry_at_once_and_ten_times() -> None:
    budget = Budget()

    assert [budget.spend() for _ in range(11)] == [True] * 10 + [False]


def test_a_retry_is_earned_whole_before_it_is_spent() -> None:
    budget = Budget()
    while budget.spend():
        pass

    for _ in range(9):
        budget.earn()
        assert not budget.spend()
    budget.earn()
    budget.earn()
    assert budget.spend()


def test_a_long_calm_saves_up_no_more_than_ten() -> None:
    budget = Budget()

    for _ in range(10_000):
        budget.earn()

    assert [budget.spend() for _ in range(11)] == [True] * 10 + [False]


@given(st.lists(st.booleans(), max_size=400))
def test_in_no_order_of_calls_and_retries_is_more_spent_than_was_earned(calls: list[bool]) -> None:
    budget, spent = Budget(), 0

    for first in calls:
        if first:
            budget.earn()
        else:
            spent += budget.spend()

    assert spent <= MOST_IN_HAND + SHARE * calls.count(True) + 1e-6


async def test_a_server_that_is_down_is_asked_a_tenth_more_often_and_no_more() -> None:
    backend = Scripted(*[ModelUnavailable()] * 2000)
    calls = calls_through(route_to(backend, rule=Rule(failures=10_000)))

    for _ in range(300):
        with pytest.raises(ModelUnavailable):
            await calls.generate(prompt_pb2.Prompt(), Record(), seconds=60)

    assert 300 + 30 <= backend.calls <= 300 + 30 + 10


async def test_the_budget_is_the_backends_and_not_the_models() -> None:
    first, second = route_to(Scripted(name="a")), route_to(Scripted(name="b"))
    while first.served.budget.spend():
        pass

    assert second.served.budget.spend()
