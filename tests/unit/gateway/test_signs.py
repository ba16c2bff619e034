"""Is storage told how accounts stand, seldom, and nothing that strangers could make up?"""

from datetime import UTC, datetime, timedelta

import pytest

from channels.channel import Credentials, HttpAnswer
from channels.host import Account as Known
from channels.host import Received, Verdict
from gateway.domain.accounts import Account
from gateway.domain.reception import Outcome
from gateway.domain.signs import Signs
from parley.chat.v1.message_pb2 import ChannelMessage

ACCOUNT = Account("acme", "sms", "key", Known("a1", "+1", Credentials({})))
ANSWER = HttpAnswer(200, "", b"")


class World:
    """A clock, and what was noted."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 27, tzinfo=UTC)
        self.signs = Signs(lambda: self.now)

    def refuse(self, reason: str = "signature", times: int = 1, lacks: str = "") -> None:
        for _ in range(times):
            received = Received(Verdict.REFUSED, ANSWER, reason=reason, lacks=lacks)
            self.signs.note(Outcome(ACCOUNT, received))

    def believe(self, *texts: str) -> None:
        messages = tuple(ChannelMessage(text=text) for text in texts)
        self.signs.note(Outcome(ACCOUNT, Received(Verdict.READ, ANSWER, messages=messages)))

    def told(self) -> list[tuple[int, str, bool, bool]]:
        """Refused, why, believed, heard."""
        reports = self.signs.due()
        return [
            (each.refused, each.refused_reason, each.HasField("believed_at"), each.HasField("heard_at"))
            for each in reports
        ]


@pytest.fixture
def world() -> World:
    return World()


def test_refusals_are_told_together_and_once(world: World) -> None:
    world.refuse(times=3)
    world.refuse("stale")
    assert world.told() == [(4, "stale", False, False)]
    assert world.told() == []


def test_what_proves_nothing_at_all_counts_for_nothing(world: World) -> None:
    world.refuse(lacks="x-twilio-signature", times=100)
    world.refuse("signature_error")
    assert world.told() == []


def test_one_that_is_believed_forgets_those_before_it(world: World) -> None:
    world.refuse(times=3)
    world.believe("hello")
    world.refuse()
    assert world.told() == [(1, "signature", True, True)]


def test_that_all_is_well_is_told_once_a_minute_and_at_once_after_trouble(world: World) -> None:
    world.believe("hello")
    assert world.told() == [(0, "", True, True)]
    world.believe()
    assert world.told() == []
    world.now += timedelta(minutes=1)
    assert world.told() == [(0, "", True, False)]
    world.refuse()
    assert world.told() == [(1, "signature", False, False)]
    world.believe()
    assert world.told() == [(0, "", True, False)]


def test_what_could_not_be_told_is_told_later(world: World) -> None:
    world.refuse(times=2)
    world.signs.take_back(world.signs.due())
    world.refuse()
    assert world.told() == [(3, "signature", False, False)]
    world.believe("hello")
    world.signs.take_back(world.signs.due())
    world.believe("again")
    assert world.told() == [(0, "", True, True)]
