"""Is there never a call without its record, and never a second call for what may have been sent?"""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from channels.channel import (
    Credentials,
    Flow,
    Markup,
    Outgoing,
    Rejected,
    TextLimit,
    Throttled,
    Unanswered,
    Unauthorized,
    Unavailable,
    Unknown,
)
from channels.outcomes import RejectedKind
from channels.segments import Segmenting
from kit import metrics
from kit.errors import LeaseLost, StorageUnavailable
from kit.moments import seconds
from tests.unit.sender.road import Pigeon, ok, road


async def test_the_beginning_is_recorded_before_the_call_and_the_end_after_it() -> None:
    way = road(ok("77"))
    await way.carry()
    assert way.happened == ["BEGUN 0/1", "call hello", "SENT 0/1"]
    assert way.records[-1].provider_message_id == "id-77"
    assert {record.epoch for record in way.records} == {3}


async def test_each_further_part_begins_in_the_record_of_the_one_before() -> None:
    way = road(ok(), ok(), ok())
    await way.carry("one two three four five")
    assert way.happened == [
        "BEGUN 0/3",
        "call one two",
        "SENT 0/3+",
        "call three four",
        "SENT 1/3+",
        "call five",
        "SENT 2/3",
    ]


async def test_parts_that_were_sent_before_are_not_sent_again() -> None:
    way = road(ok())
    await way.carry("one two three four five", next_part=2, attempts=1)
    assert way.happened == ["BEGUN 2/3", "call five", "SENT 2/3"]


async def test_the_segments_of_a_text_message_are_counted_as_the_account_wants_them() -> None:
    way = road(ok(), ok())
    way.channel.max_text = TextLimit(1600, "utf16", Segmenting())
    way.options = {"max_segments": "1"}
    counted = metrics.segments.labels(channel="pigeon")
    before = counted._value.get()
    await way.carry("x" * 150 + " " + "y" * 150)
    assert [each.text[0] for each in way.channel.seen] == ["x", "y"]
    assert counted._value.get() - before == 2


async def test_no_call_is_made_when_the_lease_is_lost_at_the_beginning() -> None:
    way = road(ok(), refusals=[LeaseLost()])
    await way.carry()
    assert way.happened == ["BEGUN 0/1"]


async def test_no_call_is_made_when_the_beginning_cannot_be_recorded() -> None:
    way = road(ok(), refusals=[StorageUnavailable()])
    await way.carry()
    assert way.happened == ["BEGUN 0/1"]


async def test_the_second_part_is_not_called_when_the_record_of_the_first_is_refused() -> None:
    way = road(ok(), ok(), refusals=[None, LeaseLost()])
    await way.carry("one two three")
    assert way.happened == ["BEGUN 0/2", "call one two", "SENT 0/2+"]


async def test_no_call_is_made_when_the_process_stood_still_for_longer_than_its_lease() -> None:
    way = road(ok())
    way.record_takes_seconds = 61
    await way.carry()
    assert way.happened == ["BEGUN 0/1", "RETRY 0/1"]
    assert way.records[-1].reason == "late"


@pytest.mark.parametrize(
    ("failure", "end", "reason"),
    [
        (Throttled(provider_code="20429"), "RETRY 0/1", "throttled"),
        (Unavailable(), "RETRY 0/1", "unavailable"),
        (Unanswered(provider_code="500"), "RETRY 0/1", "unanswered"),
        (Rejected(kind="window", provider_code="63016"), "REJECTED 0/1", "window"),
        (Unauthorized(provider_code="20003"), "UNAUTHORIZED 0/1", "unauthorized"),
        (Unknown(provider_code="timeout"), "UNKNOWN 0/1", "unknown"),
        (TimeoutError(), "UNKNOWN 0/1", "timeout"),
        (RuntimeError("channel code is foreign"), "UNKNOWN 0/1", "channel_fault"),
    ],
)
async def test_each_way_to_fail_is_recorded_as_what_it_means(failure: Exception, end: str, reason: str) -> None:
    way = road(failure)
    await way.carry()
    assert way.happened == ["BEGUN 0/1", "call hello", end]
    assert way.records[-1].reason == reason
    assert way.records[-1].provider_code == getattr(failure, "provider_code", "")


async def test_a_failed_part_ends_the_trip_and_the_parts_after_it_wait() -> None:
    way = road(ok(), Throttled())
    await way.carry("one two three four five")
    assert way.happened[-2:] == ["call three four", "RETRY 1/3"]


async def test_what_the_provider_asks_for_is_waited_for_and_then_some() -> None:
    way = road(Throttled(retry_after=timedelta(seconds=7)))
    await way.carry(attempts=2)
    assert seconds(way.records[-1].retry_after) == 7 + 0.5 * 4


@pytest.mark.parametrize(("attempts", "pause"), [(0, 0.5), (1, 1.0), (2, 2.0), (3, 4.0)])
async def test_the_pause_doubles_and_is_jittered(attempts: int, pause: float) -> None:
    way = road(Unavailable())
    await way.carry(attempts=attempts)
    assert seconds(way.records[-1].retry_after) == pause


async def test_the_fifth_failure_of_a_part_is_a_dead_letter() -> None:
    way = road(Unavailable(provider_code="503"))
    await way.carry(attempts=4)
    assert way.happened[-1] == "REJECTED 0/1"
    assert (way.records[-1].reason, way.records[-1].provider_code) == ("gave_up", "503")


async def test_the_fifth_call_that_nobody_answered_leaves_the_part_unknown() -> None:
    way = road(Unanswered(provider_code="503"))
    await way.carry(attempts=4)
    assert way.happened[-1] == "UNKNOWN 0/1"
    assert (way.records[-1].reason, way.records[-1].provider_code) == ("gave_up", "503")


async def test_what_may_become_of_a_delivery_is_counted_from_nought_before_the_first_one() -> None:
    replace(road().courier(), channels={"dove": Pigeon()})
    counts = {
        each.labels["outcome"]: each.value
        for family in metrics.deliveries.collect()
        for each in family.samples
        if each.name == "parley_deliveries_total" and each.labels["channel"] == "dove"
    }
    assert counts == {"sent": 0, "failed": 0, "unknown": 0, "opted_out": 0}


@pytest.mark.parametrize(("reason", "ends"), [("opted_out", "opted_out"), ("payload", "failed")])
async def test_what_is_refused_because_the_person_left_is_no_dead_letter(
    reason: RejectedKind, ends: str, capsys: pytest.CaptureFixture[str]
) -> None:
    counted = {state: metrics.deliveries.labels(channel="pigeon", outcome=state) for state in ("opted_out", "failed")}
    before = {state: each._value.get() for state, each in counted.items()}
    replied = metrics.accept_to_reply_seconds.labels(channel="pigeon")._sum.get()
    way = road(Rejected(kind=reason, provider_code="21610"))
    await way.carry()
    assert (way.happened[-1], way.records[-1].opted_out) == ("REJECTED 0/1", reason == "opted_out")
    counts = {state: each._value.get() - before[state] for state, each in counted.items()}
    assert counts == {"opted_out": 0, "failed": 0} | {ends: 1}
    assert metrics.accept_to_reply_seconds.labels(channel="pigeon")._sum.get() == replied
    said = capsys.readouterr().out
    assert ("delivery.opted_out" in said, "delivery.dead" in said) == (ends == "opted_out", ends == "failed")


async def test_what_storage_calls_unknown_is_not_counted_as_failed() -> None:
    counted = {state: metrics.deliveries.labels(channel="pigeon", outcome=state) for state in ("unknown", "failed")}
    before = {state: each._value.get() for state, each in counted.items()}
    way = road(Unavailable(provider_code="connect"))
    way.becomes = "DELIVERY_STATE_UNKNOWN"
    await way.carry(attempts=4)
    assert way.happened[-1] == "REJECTED 0/1"
    assert {state: each._value.get() - before[state] for state, each in counted.items()} == {"unknown": 1, "failed": 0}


async def test_what_storage_queues_again_has_not_ended() -> None:
    counted = metrics.deliveries.labels(channel="pigeon", outcome="unknown")
    before = counted._value.get()
    way = road(Unknown())
    way.becomes = "DELIVERY_STATE_QUEUED"
    await way.carry()
    assert (way.happened[-1], counted._value.get() - before) == ("UNKNOWN 0/1", 0)


async def test_attempts_of_an_earlier_part_do_not_count_for_the_next() -> None:
    way = road(ok(), Unavailable())
    await way.carry("one two three", attempts=4)
    assert way.happened[-1] == "RETRY 1/2"


async def test_channel_code_that_fails_after_the_answer_leaves_the_part_unknown() -> None:
    def fault() -> None:
        raise KeyError("sid")

    way = road(ok())
    way.channel = Pigeon(fault)
    await way.carry()
    assert way.happened[-1] == "UNKNOWN 0/1"


async def test_channel_code_that_fails_before_it_calls_is_refused_and_not_tried_again() -> None:
    class Broken(Pigeon):
        def deliver(self, outgoing: Outgoing, credentials: Credentials) -> Flow:
            raise ZeroDivisionError

    way = road()
    way.channel = Broken()
    await way.carry()
    assert way.happened == ["BEGUN 0/1", "REJECTED 0/1"]
    assert way.records[-1].reason == "channel_fault"


@pytest.mark.parametrize(
    ("text", "channel", "reason"), [("hello", "owl", "channel_unknown"), (" \n ", "pigeon", "text_empty")]
)
async def test_what_cannot_be_sent_at_all_is_shown_to_a_person(text: str, channel: str, reason: str) -> None:
    way = road()
    await way.carry(text, channel=channel)
    assert way.happened == ["REJECTED 0/1"], "no call is made, so none is on record"
    assert way.records[-1].reason == reason


async def test_what_an_earlier_release_cut_into_more_parts_is_shown_to_a_person_when_none_is_left() -> None:
    way = road()
    await way.carry("one two", next_part=1)
    assert way.happened == ["REJECTED 1/2"]
    assert way.records[-1].reason == "parts_changed"


async def test_each_part_is_formatted_for_its_channel_and_comes_in_plain_too_where_that_may_be_refused() -> None:
    class Html(Pigeon):
        markup: Markup = "telegram"

    way = road(ok(), ok())
    way.channel = Html()
    await way.carry("**bold words** & more")
    assert [outgoing.text for outgoing in way.channel.seen] == ["<b>bold words</b>", "&amp; more"]
    assert [outgoing.plain for outgoing in way.channel.seen] == ["bold words", "& more"]


async def test_a_delivery_that_was_not_begun_when_the_process_stops_is_given_back() -> None:
    way = road(ok())
    way.stopping.set()
    await way.carry()
    assert way.happened == ["RELEASED 0/1"]


async def test_a_call_that_is_cut_off_at_the_stop_is_recorded_as_unknown() -> None:
    way = road()
    way.provider_hangs = True
    task = asyncio.create_task(way.carry())
    while "call hello" not in way.happened:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert way.happened == ["BEGUN 0/1", "call hello", "UNKNOWN 0/1"]
    assert way.records[-1].reason == "stopped"


async def test_the_channel_is_told_where_to_call_and_where_receipts_go() -> None:
    way = road(ok())
    await way.carry()
    outgoing = way.channel.seen[0]
    assert outgoing.api_base_url == "http://loft"
    assert outgoing.status_url == "https://chat.example.com/webhook/pigeon/key1/status"
    assert (outgoing.delivery_id, outgoing.part, outgoing.chat_id, outgoing.address) == ("d1", 0, "c1", "roof")


async def test_a_channel_that_can_find_out_is_told_that_an_answer_was_lost() -> None:
    way = road(Unknown(provider_code="timeout"), ok("77"))
    way.channel = Pigeon(asks_again=True)
    await way.carry()
    assert way.happened == ["BEGUN 0/1", "call hello", "call hello", "SENT 0/1"]
    assert way.records[-1].provider_message_id == "id-77"


async def test_what_is_lost_twice_stays_unknown() -> None:
    way = road(Unknown(provider_code="timeout"), Unknown(provider_code="connection_lost"))
    way.channel = Pigeon(asks_again=True)
    await way.carry()
    assert way.happened == ["BEGUN 0/1", "call hello", "call hello", "UNKNOWN 0/1"]
    assert way.records[-1].provider_code == "connection_lost"
