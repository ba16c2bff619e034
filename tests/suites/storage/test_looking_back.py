"""Who asks about one person, or about what went wrong, in years of messages: is all that was ever said read for it?"""

import re
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import conversation_service_pb2 as conversations
from parley.storage.v1 import outbox_service_pb2 as outbox
from parley.storage.v1 import privacy_service_pb2 as privacy
from storage_service.backends.engines import sqlite_path
from storage_service.backends.repeats import Repeats
from storage_service.backends.wishes import Wishes
from storage_service.domain import paging
from storage_service.domain.events import Events
from tests.postgres import Server as Postgres
from tests.suites.storage.said import Chat, a_chat
from tests.suites.storage.world import World, open_world

GROWING = "conversations|messages|turns|deliveries|attempts|receipts|raw_payloads|contacts|identities|media|summaries"
# A table, or an index, of which nothing but the tenant is known.
WHOLE = re.compile(rf"SCAN (?:{GROWING})\b(?! USING INDEX ix_)|SEARCH (?:{GROWING}) USING .*\(tenant_id=\?\)$")
# And what is behind a place in it: the next page of a list.
BEHIND = re.compile(rf"{WHOLE.pattern}|SEARCH .*\(tenant_id=\? AND id[<>]\?\)$")
UNANSWERED = (chat.TURN_STATE_FAILED, chat.TURN_STATE_HANDED_OFF, chat.TURN_STATE_SUPPRESSED)
OPEN = (chat.TURN_STATE_WAITING, chat.TURN_STATE_RUNNING)
UNSENT = (chat.DELIVERY_STATE_QUEUED, chat.DELIVERY_STATE_SENDING)
UNDELIVERED = (chat.DELIVERY_STATE_FAILED, chat.DELIVERY_STATE_UNKNOWN)


@pytest.fixture
async def world(tmp_path: Path, postgres_server: Postgres) -> AsyncIterator[World]:
    async with open_world("sqlite", tmp_path, postgres_server) as opened:
        await opened.tenant("acme")
        yield opened


@contextmanager
def asked() -> Iterator[list[tuple[str, Any]]]:
    """What reaches SQLite meanwhile, from whichever engine."""
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    yield statements
    event.remove(Engine, "before_cursor_execute", note)


def read_whole(world: World, statements: list[tuple[str, Any]], kind: re.Pattern[str] = WHOLE) -> list[str]:
    """The lines of SQLite's plans that read a whole table, each with its statement."""
    connection = sqlite3.connect(sqlite_path(world.url))
    found = [
        f"{line}: {statement}"
        for statement, parameters in statements
        if statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE", "WITH"))
        for _, _, _, line in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        if kind.search(line)
    ]
    connection.close()
    return found


def wishes(world: World) -> Wishes:
    return Wishes(world.sessions, Repeats(world.sessions, world.keyring), events=Events(world.wakeups))


async def somebody(world: World) -> Chat:
    """Who was answered once, and wrote in a group besides."""
    one = await a_chat(world, "acme")
    await one.sent("dear Ada", "SM1")
    group = await a_chat(world, "acme", chat_id="group", name="Bob")
    await group.hears("hello, all of you", sender_id=one.chat_id)
    return one


async def test_what_was_not_answered_or_not_delivered_is_found_by_its_state(world: World) -> None:
    with asked() as statements:
        for turn in UNANSWERED:
            for newest in (False, True):
                asks = conversations.ListTurnsRequest(tenant_id="acme", states=[turn], newest_first=newest)
                await world.mesh.call("ListTurns", asks)
        for delivery in UNDELIVERED:
            await wishes(world).list_deliveries(outbox.ListDeliveriesRequest(tenant_id="acme", state=delivery))
    assert sum("FROM turns" in statement for statement, _ in statements) == 2 * len(UNANSWERED)
    assert read_whole(world, statements) == []


async def test_what_is_left_to_do_is_found_among_what_is_left_to_do(world: World) -> None:
    with asked() as statements:
        for state in UNDELIVERED:
            asks = outbox.ListDeliveriesRequest(tenant_id="acme", state=state, not_put_aside=True)
            await wishes(world).list_deliveries(asks)
    by_its_index = re.compile(
        r"SEARCH deliveries USING (?:COVERING )?INDEX ix_deliveries_left_to_do \(tenant_id=\? AND state=\?\)"
    )
    assert len(read_whole(world, statements, by_its_index)) == len(UNDELIVERED)


async def test_what_was_sent_in_a_conversation_is_found_by_its_messages(world: World) -> None:
    one = await somebody(world)
    of_one = outbox.ListDeliveriesRequest(tenant_id="acme", conversation_id=one.conversation_id)
    with asked() as statements:
        listed = await wishes(world).list_deliveries(of_one)
    assert len(listed.deliveries) == 1
    assert read_whole(world, statements) == []


@pytest.mark.parametrize("place", [(), ("0",)], ids=["first page", "next page"])
async def test_what_is_open_is_found_among_what_is_open(world: World, place: tuple[str, ...]) -> None:
    with asked() as statements:
        for states in ((), OPEN[:1], OPEN[1:], OPEN):
            await world.mesh.call("ListTurns", turns_of("", states, place=place))
        for state in UNSENT:
            await wishes(world).list_deliveries(deliveries_of("", state, place=place))
    assert sum("FROM turns" in statement for statement, _ in statements) == 4
    assert read_whole(world, statements, BEHIND) == []


@pytest.mark.parametrize("place", [(), ("0",)], ids=["first page", "next page"])
async def test_turns_and_deliveries_of_a_conversation_are_found_by_it(world: World, place: tuple[str, ...]) -> None:
    one = await somebody(world)
    await one.waits(await one.hears("and more"))
    with asked() as statements:
        for states in (UNANSWERED, (chat.TURN_STATE_REPLIED, *UNANSWERED), OPEN, ()):
            listed = await world.mesh.call("ListTurns", turns_of(one.conversation_id, states, place=place))
        await wishes(world).list_deliveries(deliveries_of(one.conversation_id, place=place))
    assert len(listed.turns) == 1
    assert read_whole(world, statements, BEHIND) == []


def turns_of(
    conversation_id: str, states: Sequence[chat.TurnState], *, place: tuple[str, ...]
) -> conversations.ListTurnsRequest:
    request = conversations.ListTurnsRequest(tenant_id="acme", conversation_id=conversation_id, states=states)
    query = (request.tenant_id, "turns", *request.states, request.conversation_id)
    request.page_token = paging.token(place, query) if place else ""
    return request


def deliveries_of(
    conversation_id: str, state: chat.DeliveryState = chat.DELIVERY_STATE_UNSPECIFIED, *, place: tuple[str, ...]
) -> outbox.ListDeliveriesRequest:
    request = outbox.ListDeliveriesRequest(tenant_id="acme", conversation_id=conversation_id, state=state)
    query = (request.tenant_id, "deliveries", request.state, request.conversation_id)
    request.page_token = paging.token(place, query) if place else ""
    return request


async def test_a_person_is_told_and_forgotten_without_reading_what_others_wrote(world: World) -> None:
    one = await somebody(world)
    told = privacy.ExportContactRequest(tenant_id="acme", contact_id=one.contact_id)
    forgotten = privacy.EraseContactRequest(tenant_id="acme", request_id="1", contact_id=one.contact_id)
    with asked() as statements:
        lines = await world.mesh.call("ExportContact", told)
        receipt = await world.mesh.call("EraseContact", forgotten)
    assert b"hello, all of you" in b"".join(each.chunk for each in lines)
    assert receipt.messages == 2
    assert read_whole(world, statements) == []
