"""When does a breaker let a call through, and does it always find its way back?"""

from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kit.errors import ModelPaused
from llm_service.domain.breaker import Breaker, Pass, Rule, State
from tests.unit.llm.scripted import Clock


class Rig:
    """A breaker, its clock, and what it told."""

    def __init__(self) -> None:
        self.clock, self.heard = Clock(), list[State]()
        self.breaker = Breaker(Rule(), clock=self.clock, heard=self.heard.append)

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.enter().failed()

    def refused(self) -> float:
        with pytest.raises(ModelPaused) as raised:
            self.breaker.enter()
        assert raised.value.retry_after is not None
        return raised.value.retry_after.total_seconds()


def test_three_failures_in_a_row_open_it_for_five_minutes() -> None:
    rig = Rig()
    rig.fail(2)
    assert rig.breaker.state is State.CLOSED

    rig.fail()

    assert rig.refused() == 300
    rig.clock.now += 299.9
    assert rig.refused() == pytest.approx(0.1)
    assert rig.heard == [State.OPEN]


def test_a_success_between_failures_begins_the_count_again() -> None:
    rig = Rig()

    for _ in range(5):
        rig.fail(2)
        rig.breaker.enter().succeeded()

    assert rig.breaker.state is State.CLOSED


def test_after_five_minutes_exactly_one_of_a_hundred_callers_is_let_through() -> None:
    rig = Rig()
    rig.fail(3)
    rig.clock.now += 300

    passes, refused = [], 0
    for _ in range(100):
        try:
            passes.append(rig.breaker.enter())
        except ModelPaused:
            refused += 1

    assert (len(passes), refused) == (1, 99)
    assert passes[0].seconds == Rule().probe_seconds
    passes[0].succeeded()
    assert rig.breaker.enter().seconds is None
    assert rig.heard == [State.OPEN, State.HALF_OPEN, State.CLOSED]


def test_a_probe_that_fails_opens_it_for_another_five_minutes() -> None:
    rig = Rig()
    rig.fail(3)
    rig.clock.now += 300

    rig.breaker.enter().failed()

    assert rig.refused() == 300


def test_a_probe_that_never_comes_back_does_not_hang_it_and_decides_nothing_later() -> None:
    rig = Rig()
    rig.fail(3)
    rig.clock.now += 300
    lost = rig.breaker.enter()
    rig.refused()

    rig.clock.now += Rule().probe_seconds + 1
    second = rig.breaker.enter()
    lost.failed()
    lost.succeeded()
    assert rig.heard == [State.OPEN, State.HALF_OPEN]
    second.succeeded()

    assert rig.heard == [State.OPEN, State.HALF_OPEN, State.CLOSED]


def test_a_probe_whose_caller_went_away_leaves_the_next_one_to_the_next_caller() -> None:
    rig = Rig()
    rig.fail(3)
    rig.clock.now += 300

    rig.breaker.enter().left()

    assert rig.breaker.enter().seconds is not None


def test_what_began_before_it_opened_neither_closes_it_nor_keeps_it_open_for_longer() -> None:
    rig = Rig()
    early = [rig.breaker.enter() for _ in range(3)]
    rig.fail(3)

    early[0].succeeded()
    assert rig.refused() == 300
    rig.clock.now += 100
    early[1].failed()
    early[2].left()

    assert rig.refused() == 200


class AnyOrder(RuleBasedStateMachine):
    """Callers come, end in any way and order, or never; time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.rig = Rig()
        self.under_way: list[Pass] = []

    @rule()
    def comes(self) -> None:
        """A caller is refused only while it is open, or a probe is under way."""
        paused = self.rig.breaker.paused_seconds
        try:
            self.under_way.append(self.rig.breaker.enter())
        except ModelPaused:
            assert paused > 0

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), how=st.sampled_from(("succeeded", "failed", "left", "lost")))
    def ends(self, data: st.DataObject, how: str) -> None:
        which = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        if how != "lost":
            getattr(which, how)()

    @rule(seconds=st.sampled_from((0.5, 31.0, 150.0, 300.0)))
    def passes(self, seconds: float) -> None:
        self.rig.clock.now += seconds

    @invariant()
    def is_never_closed_for_longer_than_its_rule(self) -> None:
        assert self.rig.breaker.paused_seconds <= Rule().open_seconds

    @invariant()
    def tells_only_of_changes(self) -> None:
        told = [State.CLOSED, *self.rig.heard]
        assert all(one is not other for one, other in pairwise(told))
        assert told[-1] is self.rig.breaker.state


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_callers_in_any_order = AnyOrder.TestCase
