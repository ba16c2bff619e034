"""What becomes of a text when its channel takes no free text any more? The table, to the second."""

from datetime import datetime, timedelta
from itertools import product

import pytest

from channels.channel import Capabilities, Rejected, RejectedKind, Unavailable
from channels.registry import CHANNELS
from kit import metrics
from kit.errors import LeaseLost
from parley.chat.v1.message_pb2 import ATTACHMENT_KIND_IMAGE, Attachment
from parley.storage.v1.conversation_change_pb2 import HAND_OFF_REASON_NOT_DELIVERED, HAND_OFF_REASON_WINDOW_CLOSED
from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from parley.storage.v1.directory_pb2 import ChannelAccount
from sender_service.domain import windows
from sender_service.domain.windows import OUTSIDE, Decision, Silence, decide
from tests.unit.sender.road import NOW, Pigeon, Road, ok, road

DAY = timedelta(hours=24)
FREE, AS_HUMAN, TEMPLATE, OTHER, HUMAN, DROP = Decision
WEEK = timedelta(days=7)
TEMPLATED = {"outside_window": "template", "template": "HX1", "template_variable": "1"}
POLICIES = ("human", "template", "other_account", "drop")
INSIDE_TO_THE_SECOND = timedelta(hours=23, minutes=59, seconds=59)
OUTSIDE_TO_THE_SECOND = timedelta(hours=24, seconds=1)


def ago(*, hours: float = 0, **more: float) -> datetime:
    return NOW - timedelta(hours=hours, **more)


# The last message of the person, the template and the refusal since, as ages -> the decisions by POLICIES.
TABLE = {
    "they wrote just now": ((timedelta(0), None, None), (FREE, FREE, FREE, FREE)),
    "23:59:59 ago": ((INSIDE_TO_THE_SECOND, None, None), (FREE, FREE, FREE, FREE)),
    "24:00:00 ago": ((DAY, None, None), (HUMAN, TEMPLATE, OTHER, DROP)),
    "24:00:01 ago": ((OUTSIDE_TO_THE_SECOND, None, None), (HUMAN, TEMPLATE, OTHER, DROP)),
    "our clock is behind storage's": ((timedelta(seconds=-5), None, None), (FREE, FREE, FREE, FREE)),
    "they never wrote": ((None, None, None), (HUMAN, TEMPLATE, OTHER, DROP)),
    "they never wrote, and got a template": ((None, DAY, None), (HUMAN, HUMAN, OTHER, DROP)),
    "outside, and they got a template since": ((2 * DAY, DAY, None), (HUMAN, HUMAN, OTHER, DROP)),
    "outside, and got one before they wrote": ((2 * DAY, 3 * DAY, None), (HUMAN, TEMPLATE, OTHER, DROP)),
    "inside, and got one since": ((timedelta(hours=1), timedelta(0), None), (FREE, FREE, FREE, FREE)),
    "inside by the clock, and refused since": (
        (timedelta(hours=1), None, timedelta(0)),
        (HUMAN, TEMPLATE, OTHER, DROP),
    ),
    "refused since, and templated": ((timedelta(hours=1), timedelta(0), timedelta(0)), (HUMAN, HUMAN, OTHER, DROP)),
    "refused, and they wrote since": ((timedelta(hours=1), None, timedelta(hours=2)), (FREE, FREE, FREE, FREE)),
}


def silence_of(ages: tuple[timedelta | None, ...]) -> Silence:
    return Silence(*(None if age is None else NOW - age for age in ages))


@pytest.mark.parametrize("case", TABLE)
def test_the_table_of_decisions(case: str) -> None:
    ages, expected = TABLE[case]
    decided = [decide(DAY, silence_of(ages), policy=policy, now=NOW) for policy in POLICIES]
    assert tuple(decided) == expected


@pytest.mark.parametrize("case", TABLE)
def test_a_channel_without_a_window_always_takes_free_text(case: str) -> None:
    assert decide(None, silence_of(TABLE[case][0]), policy="human", now=NOW) is FREE


def test_every_policy_has_its_word_for_every_case() -> None:
    assert set(OUTSIDE) == set(product(windows.POLICIES, (False, True)))
    assert FREE not in OUTSIDE.values()


@pytest.mark.parametrize(
    ("options", "policy"),
    [
        ({}, "human"),
        ({"outside_window": ""}, "human"),
        ({"outside_window": "no such word"}, "human"),
        ({"outside_window": "drop"}, "drop"),
        ({"outside_window": "template"}, "human"),
        ({"outside_window": "other_account"}, "human"),
        ({"outside_window": "other_account", "other_account": "a1"}, "other_account"),
        ({"template": "HX1"}, "human"),
        (TEMPLATED, "template"),
    ],
)
def test_what_an_account_says_badly_is_a_humans(options: dict[str, str], policy: str) -> None:
    assert windows.policy_of(ChannelAccount(options=options), CHANNELS["whatsapp"]) == policy


def test_a_channel_without_templates_asks_for_a_human() -> None:
    pigeon = Pigeon()
    pigeon.capabilities = Capabilities(receipts=True, reconciles=True)
    assert windows.policy_of(ChannelAccount(options=TEMPLATED), pigeon) == "human"


def windowed(way: Road, **options: str) -> Road:
    way.channel.window, way.options = DAY, options
    return way


# The last message of the person and the refusal since, as ages -> what a human's own words become, policy "human".
HUMANS = {
    "23:59:59 ago": ((INSIDE_TO_THE_SECOND, None, None), FREE),
    "24:00:01 ago": ((OUTSIDE_TO_THE_SECOND, None, None), AS_HUMAN),
    "a second before seven days": ((WEEK - timedelta(seconds=1), None, None), AS_HUMAN),
    "seven days ago": ((WEEK, None, None), HUMAN),
    "they never wrote": ((None, None, None), HUMAN),
    "refused since": ((2 * DAY, None, DAY), HUMAN),
}


@pytest.mark.parametrize("case", HUMANS)
def test_humans_have_seven_days_where_a_provider_grants_them(case: str) -> None:
    ages, expected = HUMANS[case]
    assert decide(DAY, silence_of(ages), policy="human", now=NOW, human_window=WEEK) is expected


@pytest.mark.parametrize(
    ("said_by_human", "granted", "channel", "window"),
    [
        (True, "true", "instagram", WEEK),
        (False, "true", "instagram", None),
        (True, "false", "instagram", None),
        (True, "", "instagram", None),
        (True, "true", "whatsapp_cloud", None),
    ],
)
def test_the_longer_window_is_for_a_humans_words_on_an_account_that_has_the_right(
    said_by_human: bool, granted: str, channel: str, window: timedelta | None
) -> None:
    leased, account = LeasedDelivery(said_by_human=said_by_human), ChannelAccount(options={"human_agent": granted})
    assert windows.human_window_of(leased, account, channel=CHANNELS[channel]) == window


async def test_inside_the_window_free_text_goes_out_and_the_decision_is_counted() -> None:
    counted = metrics.sender_window_decisions.labels(channel="pigeon", decision="free_text")
    before = counted._value.get()
    way = windowed(road(ok()))
    await way.carry(silence=Silence(NOW - INSIDE_TO_THE_SECOND))
    assert way.happened == ["BEGUN 0/1", "call hello", "SENT 0/1"]
    assert not way.records[0].template
    assert counted._value.get() == before + 1


@pytest.mark.parametrize(("age", "as_human"), [(INSIDE_TO_THE_SECOND, False), (OUTSIDE_TO_THE_SECOND, True)])
async def test_what_a_human_says_later_is_said_as_a_humans(age: timedelta, as_human: bool) -> None:
    way = windowed(road(ok()), human_agent="true")
    way.said_by_human = True
    way.channel.capabilities = Capabilities(receipts=True, reconciles=True, human_window=WEEK)
    await way.carry(silence=Silence(NOW - age))
    assert [each.as_human for each in way.channel.seen] == [as_human]


async def test_outside_it_a_human_is_asked_for_with_what_was_not_said_and_nobody_is_called() -> None:
    way = windowed(road())
    await way.carry("your parcel is here", silence=Silence(NOW - OUTSIDE_TO_THE_SECOND))
    assert way.happened == ["REJECTED 0/1"]
    (record,) = way.records
    assert record.reason == "window_closed"
    assert record.hand_off.reason == HAND_OFF_REASON_WINDOW_CLOSED
    assert record.hand_off.summary.endswith("your parcel is here")


async def test_the_longest_text_fits_the_summary() -> None:
    way = windowed(road())
    await way.carry("word " * 13_000)
    assert len(way.records[0].hand_off.summary) == 4000


async def test_what_is_dropped_asks_for_nobody() -> None:
    way = windowed(road(), outside_window="drop")
    await way.carry()
    assert (way.happened, way.records[0].HasField("hand_off")) == (["REJECTED 0/1"], False)


ELSEWHERE = {"outside_window": "other_account", "other_account": "a2"}


async def test_another_account_is_named_with_the_text_and_a_human_in_case_it_may_not() -> None:
    way = windowed(road(), **ELSEWHERE)
    await way.carry("one *two* three", silence=Silence(ago(hours=25)))
    (record,) = way.records
    assert (record.other_chat.account_id, record.other_chat.text) == ("a2", "one *two* three")
    assert (record.reason, record.hand_off.reason) == ("window_closed", HAND_OFF_REASON_WINDOW_CLOSED)


async def test_another_account_says_what_was_left_when_the_window_closed() -> None:
    way = windowed(road(), **ELSEWHERE)
    await way.carry("one two three four five", next_part=1, silence=Silence(ago(hours=25)))
    assert way.records[0].other_chat.text == "three four\nfive"
    assert way.records[0].hand_off.summary.endswith("one two three four five")


@pytest.mark.parametrize("options", [ELSEWHERE, TEMPLATED], ids=["elsewhere", "templated"])
async def test_files_are_for_a_human_to_send(options: dict[str, str]) -> None:
    """A template carries none, and would be recorded as all that was to be said."""
    way = windowed(road(), **options)
    picture = Attachment(kind=ATTACHMENT_KIND_IMAGE, url="https://files.example/a.png")
    await way.carry("look", silence=Silence(ago(hours=25)), attachments=[picture])
    assert (way.records[0].HasField("other_chat"), way.records[0].HasField("hand_off")) == (False, True)


async def test_a_template_goes_out_as_one_part_whose_variable_is_the_text() -> None:
    way = windowed(road(ok()), **TEMPLATED)
    await way.carry("one two three four five", silence=Silence(ago(hours=25)))
    assert [each.split()[0] for each in way.happened] == ["BEGUN", "call", "SENT"]
    assert (way.records[0].template, way.records[0].parts) == (True, 1)
    (sent,) = way.channel.seen
    assert (sent.template, dict(sent.template_values)) == ("HX1", {"1": "one two\nthree four\nfive"})


async def test_a_template_without_a_variable_says_only_itself() -> None:
    way = windowed(road(ok()), outside_window="template", template="HX1")
    await way.carry(silence=Silence(ago(hours=25)))
    assert (way.channel.seen[0].template, dict(way.channel.seen[0].template_values)) == ("HX1", {})


async def test_what_was_left_when_the_window_closed_goes_out_as_the_template() -> None:
    way = windowed(road(ok()), **TEMPLATED)
    await way.carry("one two three four five", next_part=1, silence=Silence(ago(hours=25)))
    assert way.happened[0] == "BEGUN 1/2"
    assert dict(way.channel.seen[0].template_values) == {"1": "three four\nfive"}


async def test_a_refusal_for_the_window_is_decided_anew() -> None:
    way = windowed(road(Rejected(kind="window", provider_code="63016")))
    await way.carry(attempts=3, silence=Silence(ago(hours=1)))
    assert way.happened == ["BEGUN 0/1", "call hello", "RETRY 0/1"]
    assert (way.records[-1].window_closed, way.records[-1].provider_code) == (True, "63016")
    assert not way.records[-1].HasField("retry_after")


async def test_a_refusal_for_the_window_goes_round_no_more_often_than_any_other_failure() -> None:
    way = windowed(road(Rejected(kind="window", provider_code="63016")))
    await way.carry(attempts=4, silence=Silence(ago(hours=1)))
    assert way.happened == ["BEGUN 0/1", "call hello", "REJECTED 0/1"]
    assert (way.records[-1].reason, way.records[-1].HasField("hand_off")) == ("window", True)


async def test_a_channel_without_a_window_that_is_refused_for_one_has_failed() -> None:
    way = road(Rejected(kind="window"))
    await way.carry()
    assert way.happened[-1] == "REJECTED 0/1"


@pytest.mark.parametrize("failure", [Rejected(kind="payload", provider_code="21655"), Rejected(kind="window")])
async def test_a_template_that_is_refused_becomes_a_humans(failure: Rejected) -> None:
    way = windowed(road(failure), **TEMPLATED)
    await way.carry("hello", silence=Silence(ago(hours=25)))
    assert way.happened[-1] == "REJECTED 0/1"
    assert way.records[-1].reason == failure.kind
    assert way.records[-1].hand_off.summary.endswith("hello")


async def test_so_does_one_that_is_tried_in_vain() -> None:
    way = windowed(road(Unavailable()), **TEMPLATED)
    await way.carry(attempts=4, silence=Silence(ago(hours=25)))
    assert (way.records[-1].reason, way.records[-1].HasField("hand_off")) == ("gave_up", True)


@pytest.mark.parametrize("kind", ["recipient", "payload", "opted_out"])
@pytest.mark.parametrize("wish", ["", "nothing", "human"])
async def test_what_fails_for_good_asks_for_a_human_where_the_account_wants_that(kind: RejectedKind, wish: str) -> None:
    way = road(Rejected(kind=kind, provider_code="131026"))
    way.options = {"undelivered": wish}
    await way.carry("your parcel")
    asked = way.records[-1].hand_off.summary
    expected = f"A reply did not reach them on pigeon ({kind} 131026): your parcel"
    assert asked == (expected if wish == "human" and kind != "opted_out" else "")


async def test_nothing_to_say_is_no_ones_fault_and_someones_task() -> None:
    way = road()
    way.options = {"undelivered": "human"}
    await way.carry(" ")
    assert way.records[-1].hand_off.reason == HAND_OFF_REASON_NOT_DELIVERED


async def test_who_lost_the_lease_asks_for_nobody() -> None:
    way = windowed(road(refusals=[LeaseLost()]))
    await way.carry()
    assert (way.happened, way.records) == (["REJECTED 0/1"], [])
