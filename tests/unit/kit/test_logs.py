"""Does a log line show what an operator needs, and nothing that it must not?"""

import contextlib
import io
import json
import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from kit import correlation, logs
from kit.errors import QueueFull
from kit.settings import Settings

CANARY = "canary-7f3a"


class Lines(io.StringIO):
    """What was logged."""

    def read_all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    before = logging.getLogger().handlers[:], logging.getLogger().level
    stream = Lines()
    logs.configure(Settings(log_level="debug"), "probe", stream=stream)
    yield stream
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = before[0]
    logging.getLogger().setLevel(before[1])


async def test_a_line_is_one_object_that_names_the_request(lines: Lines) -> None:
    correlation.bind("request-1", tenant="default")
    logs.get("turns").info("turn.ended", turn_id="t1", outcome="replied", took_seconds=0.5, seq=3)
    (line,) = lines.read_all()
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert line["timestamp"].endswith("Z")
    assert {
        key: line[key] for key in ("level", "event", "component", "correlation_id", "tenant", "turn_id", "seq")
    } == {
        "level": "info",
        "event": "turn.ended",
        "component": "turns",
        "correlation_id": "request-1",
        "tenant": "default",
        "turn_id": "t1",
        "seq": 3,
    }


def test_a_field_that_is_not_on_the_list_is_hidden(lines: Lines) -> None:
    names = (
        "text",
        "body",
        "password",
        "token",
        "url",
        "headers",
        "credentials",
        "message",
        "sender",
        "chat_id",
        "sql",
    )
    logs.get("probe").warning("probe.tried", **{name: f"{name} {CANARY}x" for name in names})
    assert CANARY not in lines.getvalue()


def test_the_kind_of_an_error_is_shown_and_what_it_said_is_not(lines: Lines) -> None:
    logs.get("probe").warning("probe.tried", error="ConnectionError")
    logs.get("probe").warning("probe.tried", error=f"no route to {CANARY} host")
    first, second = lines.read_all()
    assert (first["error"], second["error"]) == ("ConnectionError", "[hidden]")


def test_a_phone_number_is_masked_wherever_it_stands(lines: Lines) -> None:
    logs.get("probe").info("probe.tried", reason="no route to +491701234567", chat_id="whatsapp:+491701234567")
    assert "4917012345" not in lines.getvalue()


def test_an_exception_is_told_without_its_text_unless_the_text_is_ours(lines: Lines) -> None:
    log = logs.get("probe")
    try:
        raise ValueError(f"statement with {CANARY}")
    except ValueError as error:
        log.error("probe.failed", exc_info=error)
        log.exception("probe.failed")
    log.error("probe.failed", exc_info=QueueFull("full up"))
    first, second, third = lines.read_all()
    assert CANARY not in lines.getvalue()
    assert first["exception"].startswith("ValueError at kit/test_logs.py:")
    assert second["exception"].startswith("ValueError at kit/test_logs.py:")
    assert third["exception"] == "QueueFull: full up"


def test_what_libraries_say_is_told_without_its_values(lines: Lines) -> None:
    foreign = logging.getLogger("httpx")
    foreign.warning("GET %s", f"https://api.example/bot{CANARY}/send")
    foreign.warning(f"GET https://api.example/bot{CANARY}/send")
    foreign.info("below warning")
    first, second = lines.read_all()
    assert CANARY not in lines.getvalue()
    assert first["template"] == "GET %s"
    assert (second["component"], second["event"]) == ("httpx", "library.said")


def test_lines_for_people_hide_the_same(lines: Lines) -> None:
    logs.configure(Settings(log_format="console"), "probe", stream=lines)
    logs.get("probe").info("probe.tried", text=CANARY, outcome="fine")
    assert CANARY not in lines.getvalue()
    assert "fine" in lines.getvalue()


def test_the_level_is_kept(lines: Lines) -> None:
    logs.configure(Settings(log_level="warning"), "probe", stream=lines)
    logs.get("probe").info("probe.tried")
    logs.get("probe").warning("probe.failed")
    assert [line["event"] for line in lines.read_all()] == ["probe.failed"]


def test_a_logger_that_was_used_before_follows_the_process_when_it_is_configured_again(lines: Lines) -> None:
    log = logs.get("probe")
    log.debug("probe.tried")
    logs.configure(Settings(log_level="warning"), "probe", stream=lines)
    log.debug("probe.tried_again")
    log.warning("probe.failed")
    logs.configure(Settings(log_level="debug"), "probe", stream=(later := Lines()))
    log.debug("probe.tried_at_last")
    assert [line["event"] for line in lines.read_all()] == ["probe.tried", "probe.failed"]
    assert [line["event"] for line in later.read_all()] == ["probe.tried_at_last"]


def test_a_line_that_cannot_be_written_is_lost_and_nothing_else(lines: Lines) -> None:
    reader, writer = os.pipe()
    stream = os.fdopen(writer, "w")
    logs.configure(Settings(), "probe", stream=stream)
    log = logs.get("turns")
    log.info("turn.ended", turn_id="t1")
    assert json.loads(os.read(reader, 4096))["turn_id"] == "t1"
    os.close(reader)
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(log, level)("turn.ended", turn_id="t2")
    logging.getLogger("library").warning("said %s", "this")
    with contextlib.suppress(BrokenPipeError):
        stream.close()
    log.info("turn.ended", turn_id="t3")
    assert lines.read_all() == []
