"""What can a page, or a program, do with the web chat?"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from parley.chat.v1 import message_pb2 as chat
from tests.stalls import PATIENCE_SECONDS
from tests.suites.gateway.conftest import ADDRESSES, World, running

Event = tuple[str, int, dict[str, object]]


async def say(world: World, session: dict[str, str], text: str, key: str) -> httpx.Response:
    return await world.client.post(
        "/v1/chat/messages", json={"text": text}, headers={**session, "Idempotency-Key": key}
    )


def conversation(world: World) -> str:
    [only] = world.peer.conversations.values()
    return only


@asynccontextmanager
async def events(world: World, session: dict[str, str], **more: str) -> AsyncIterator[AsyncIterator[Event]]:
    """The events of a session, as a page reads them."""
    async with world.client.stream("GET", "/v1/chat/events", headers={**session, **more}) as answer:
        assert answer.status_code == 200
        yield _parsed(answer)


async def _parsed(answer: httpx.Response) -> AsyncIterator[Event]:
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        fields[name] = value
        if not line:
            if fields.get("event", "conversation") != "conversation":  # which is the first thing that is said
                yield fields["event"], int(fields.get("id", 0)), json.loads(fields["data"])
            fields = {}


async def test_the_same_key_and_text_give_the_same_answer_and_one_message(patient: World) -> None:
    session = await patient.session()
    answers = await asyncio.gather(*(say(patient, session, "hello", "key-1") for _ in range(50)))
    assert {each.status_code for each in answers} <= {200, 429}
    kept = [each for each in answers if each.status_code == 200]
    assert len({each.content for each in kept}) == 1
    assert kept[0].json()["seq"] == 1
    assert patient.peer.texts() == ["hello"]


async def test_the_same_key_with_another_text_is_a_conflict(world: World) -> None:
    session = await world.session()
    assert (await say(world, session, "hello", "key-1")).status_code == 200
    answer = await say(world, session, "goodbye", "key-1")
    assert answer.status_code == 409
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "details", "timestamp", "request_id"}
    assert error["request_id"] == answer.headers["x-request-id"]
    assert world.peer.texts() == ["hello"]


async def test_history_is_read_after_a_place(world: World) -> None:
    session = await world.session()
    for number in range(3):
        await say(world, session, f"message {number}", f"key-{number}")
    await world.peer.say(conversation(world), chat.ROLE_SYSTEM, "never shown")
    await world.peer.say(conversation(world), chat.ROLE_AGENT, "an answer")
    answer = await world.client.get("/v1/chat/messages?after_seq=1", headers=session)
    messages = answer.json()["messages"]
    assert [(each["seq"], each["role"], each["text"]) for each in messages] == [
        (2, "contact", "message 1"),
        (3, "contact", "message 2"),
        (5, "agent", "an answer"),
    ]
    assert messages[0]["client_id"] == "key-1"


async def test_a_file_that_was_sent_with_an_answer_is_told_with_it_and_leads_nowhere_but_to_https(world: World) -> None:
    session = await world.session()
    await say(world, session, "Send me the form", "key")
    files = [
        chat.Attachment(
            kind=chat.ATTACHMENT_KIND_FILE, url="https://example.com/f.pdf", file_name="f.pdf", caption="It"
        ),
        chat.Attachment(kind=chat.ATTACHMENT_KIND_IMAGE, url="javascript:alert(1)"),
        chat.Attachment(kind=chat.ATTACHMENT_KIND_IMAGE, media_id="stored"),
    ]
    await world.peer.say(conversation(world), chat.ROLE_OPERATOR, "", "", *files)
    answer = await world.client.get("/v1/chat/messages", headers=session)
    asked, told = (each["attachments"] for each in answer.json()["messages"])
    image = {"kind": "image", "file_name": "", "caption": "", "href": ""}
    form = {"kind": "file", "file_name": "f.pdf", "caption": "It", "href": "https://example.com/f.pdf"}
    assert (asked, told) == ([], [form, image, image])


async def test_a_new_session_has_no_history(world: World) -> None:
    await say(world, await world.session(), "of somebody else", "key")
    answer = await world.client.get("/v1/chat/messages", headers=await world.session())
    assert answer.json() == {"messages": [], "more": False, "conversation_id": ""}


async def test_events_resume_without_a_gap_and_without_a_repetition(world: World) -> None:
    session = await world.session()
    await say(world, session, "hello", "key")
    seen: list[int] = []
    async with events(world, session) as stream:
        async for name, seq, _ in stream:
            if name == "message":
                seen.append(seq)
                break
    for number in range(5):
        await world.peer.say(conversation(world), chat.ROLE_AGENT, f"while away {number}")
    async with events(world, session, **{"Last-Event-ID": str(seen[-1])}) as stream:
        later = asyncio.create_task(world.peer.say(conversation(world), chat.ROLE_AGENT, "now"))
        async for name, seq, message in stream:
            if name == "message":
                seen.append(seq)
                if message["text"] == "now":
                    break
        await later
    assert seen == [1, 2, 3, 4, 5, 6, 7]


async def test_a_stream_opened_before_anything_was_said_hears_the_first_message(world: World) -> None:
    session = await world.session()
    async with events(world, session) as stream, asyncio.timeout(PATIENCE_SECONDS):
        await say(world, session, "hello", "key")
        name, seq, message = await anext(stream)
    assert (name, seq, message["text"]) == ("message", 1, "hello")


async def test_a_stream_shows_that_the_agent_thinks(world: World) -> None:
    session = await world.session()
    await say(world, session, "hello", "key-1")
    world.peer.answer = lambda text: f"you said {text}"
    heard = []
    async with events(world, session, **{"Last-Event-ID": "1"}) as stream, asyncio.timeout(PATIENCE_SECONDS):
        await say(world, session, "again", "key-2")
        async for _name, _seq, data in stream:
            heard.append(data.get("text", data.get("thinking")))
            if heard[-1] is False:
                break
    assert heard == ["again", True, "you said again", False]


async def test_a_stream_shows_what_is_being_written_until_it_is_said(world: World) -> None:
    session = await world.session()
    await say(world, session, "hello", "key-1")
    heard: list[tuple[str, str]] = []
    async with events(world, session, **{"Last-Event-ID": "1"}) as stream, asyncio.timeout(PATIENCE_SECONDS):
        await world.peer.draft(conversation(world), "**One.**")
        async for name, _seq, data in stream:
            heard.append((name, str(data["text"])))
            if len(heard) == 1:
                assert data["blocks"] == [{"kind": "paragraph", "spans": [{"text": "One.", "marks": ["bold"]}]}]
                await world.peer.say(conversation(world), chat.ROLE_AGENT, "One. Two.")
            if len(heard) == 3:
                break
    assert heard == [("draft", "**One.**"), ("message", "One. Two."), ("draft", "")]


async def test_a_stream_ends_cleanly_when_the_gateway_drains(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        session = await world.session()
        await say(world, session, "hello", "key")
        async with events(world, session) as stream, asyncio.timeout(PATIENCE_SECONDS):
            await anext(stream)
            world.lifetime.stop()
            assert [each async for each in stream] == []  # ended, not broken off


async def test_a_session_has_a_bounded_number_of_streams(world: World) -> None:
    session = await world.session()
    await say(world, session, "hello", "key")
    async with asyncio.timeout(PATIENCE_SECONDS):
        opened = [world.client.stream("GET", "/v1/chat/events", headers=session) for _ in range(6)]
        answers = [await each.__aenter__() for each in opened]
        assert [each.status_code for each in answers] == [200] * 5 + [429]
        for each in opened:
            await each.__aexit__(None, None, None)
        while True:  # until the gateway has noticed
            async with world.client.stream("GET", "/v1/chat/events", headers=session) as answer:
                if answer.status_code == 200:
                    assert await anext(_parsed(answer))
                    break


async def test_the_thirty_first_message_of_a_minute_has_to_wait(world: World) -> None:
    session = await world.session()
    answers = [await say(world, session, f"message {number}", f"key-{number}") for number in range(31)]
    assert [each.status_code for each in answers] == [200] * 30 + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert (await say(world, await world.session(), "another visitor", "key")).status_code == 200


async def begun(world: World, visitors: int) -> list[int]:
    """What as many visitors are answered, each of whom comes through a proxy that says so."""
    through = [{"x-forwarded-for": f"192.0.2.{number}"} for number in range(visitors)]
    return [(await world.client.post("/v1/chat/sessions", json={}, headers=each)).status_code for each in through]


async def test_sessions_are_limited_by_address_and_the_operator_is_told_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with running(tmp_path, chat_sessions_per_minute=3) as world:
        assert await begun(world, 6) == [201] * 3 + [429] * 3
        said = "".join(capfd.readouterr())
        assert said.count("chat.crowded") == 1
        assert "HTTP_TRUSTED_PROXIES" in said


async def test_while_the_key_of_its_sessions_is_lost_the_chat_is_closed_for_now_and_the_log_says_once_what_mends_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    open_before = {"Authorization": "Bearer webchat-key.header.claims.signature", "Idempotency-Key": "1"}
    async with running(tmp_path) as world:
        world.peer.sealed.add("webchat-key")
        for _ in range(2):
            answers = [
                await world.client.post("/v1/chat/sessions", json={}),
                await world.client.post("/v1/chat/sessions", json={"site": "webchat-key"}, headers=open_before),
                await world.client.post("/v1/chat/messages", json={"text": "hello"}, headers=open_before),
                await world.client.get("/v1/chat/messages", headers=open_before),
                await world.client.get("/v1/chat/events", headers=open_before),
            ]
            for each in answers:
                assert (each.status_code, each.headers["retry-after"]) == (503, "30")
                assert each.json()["error"]["code"] == "SECRET_UNREADABLE"
                assert each.json()["error"]["message"] == "Not available at the moment; whoever runs it has to mend it"
        said = "".join(capfd.readouterr())
        assert said.count("account.unreadable") == 1
        assert "parley channels add webchat --address web" in said


async def test_behind_a_proxy_whose_word_counts_each_visitor_is_counted_alone(tmp_path: Path) -> None:
    async with running(tmp_path, chat_sessions_per_minute=3, http_trusted_proxies="127.0.0.1") as world:
        assert await begun(world, 6) == [201] * 6


async def test_only_pages_that_may_get_a_session(world: World) -> None:
    world.peer.accounts["webchat/web"].account.options["allowed_origins"] = "https://shop.example"
    pages = {"https://shop.example": 201, "https://evil.example": 403, "null": 403, "https://shop.example.evil": 403}
    for origin, expected in pages.items():
        answer = await world.client.post("/v1/chat/sessions", json={"site": "webchat-key"}, headers={"Origin": origin})
        assert answer.status_code == expected, origin


async def test_before_the_key_of_the_sessions_is_made_a_page_is_told_to_come_again(world: World) -> None:
    credentials = world.peer.accounts["webchat/web"].credentials
    key = credentials.pop("session_key")
    await asyncio.sleep(3.1)  # what is remembered of the account is no longer fresh
    answer = await world.client.post("/v1/chat/sessions", json={})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    credentials["session_key"] = key
    assert (await world.client.post("/v1/chat/sessions", json={})).status_code == 201


async def test_our_own_page_may_always(world: World) -> None:
    answer = await world.client.post("/v1/chat/sessions", json={}, headers={"Origin": f"http://127.0.0.1:{world.port}"})
    assert answer.status_code == 201


async def test_a_session_is_bound_to_its_page(world: World) -> None:
    world.peer.accounts["webchat/web"].account.options["allowed_origins"] = "https://a.example https://b.example"
    begun = await world.client.post("/v1/chat/sessions", json={}, headers={"Origin": "https://a.example"})
    headers = {"Authorization": f"Bearer {begun.json()['token']}", "Origin": "https://b.example"}
    assert (await world.client.get("/v1/chat/messages", headers=headers)).status_code == 401
    assert (await say(world, headers, "hello", "key")).status_code == 401


async def test_a_renewed_session_goes_on_in_the_same_chat(world: World) -> None:
    session = await world.session()
    await say(world, session, "hello", "key")
    answer = await world.client.post("/v1/chat/sessions", json={}, headers=session)
    renewed = {"Authorization": f"Bearer {answer.json()['token']}"}
    history = (await world.client.get("/v1/chat/messages", headers=renewed)).json()["messages"]
    assert [each["text"] for each in history] == ["hello"]


async def test_nothing_is_shown_without_a_session(world: World) -> None:
    for token in ("", "x", "a.b.c", "key.a.b.c", "Bearer", "\xff.\xfe.\xfd"):
        headers = {b"Authorization": b"Bearer " + token.encode("latin-1")} if token else {}
        for method, path in (("GET", "/v1/chat/messages"), ("GET", "/v1/chat/events"), ("POST", "/v1/chat/messages")):
            answer = await world.client.request(method, path, headers=headers, content=b"{}")
            assert answer.status_code in {401, 404}, (method, path, token)
            assert set(answer.json()["error"]) == {"code", "message", "details", "timestamp", "request_id"}
    in_url = (await world.session())["Authorization"].removeprefix("Bearer ")
    assert (await world.client.get(f"/v1/chat/messages?token={in_url}")).status_code == 401


async def test_a_token_counts_whatever_the_case_of_its_scheme_and_under_no_other(world: World) -> None:
    token = (await world.session())["Authorization"].removeprefix("Bearer ")
    seen = {}
    for scheme in ("Bearer", "bearer", "BEARER", "Basic", "Token"):
        answer = await world.client.get("/v1/chat/messages", headers={"Authorization": f"{scheme} {token}"})
        seen[scheme] = answer.status_code
    assert seen == {"Bearer": 200, "bearer": 200, "BEARER": 200, "Basic": 401, "Token": 401}
    said = await say(world, {"Authorization": f"bearer {token}"}, "hello", "key")
    assert said.status_code == 200


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/v1/chat/messages", "GET, POST"), ("/v1/chat/sessions", "POST"), ("/v1/chat/events", "GET, HEAD")],
)
async def test_another_method_is_answered_with_those_that_there_are(world: World, path: str, allowed: str) -> None:
    answer = await world.client.delete(path)
    assert (answer.status_code, answer.headers.get_list("allow")) == (405, [allowed])


async def test_what_is_no_message_is_refused_with_a_reason(world: World) -> None:
    headers = {**await world.session(), "Idempotency-Key": "key", "Content-Type": "application/json"}
    too_long = b'{"text":"' + b"x" * 8001 + b'"}'
    for body in (b"", b"{", b'{"text":""}', b'{"text":5}', too_long, b"[" * 60_000, b"\xff"):
        answer = await world.client.post("/v1/chat/messages", content=body, headers=headers)
        assert answer.status_code == 400, body[:20]
        assert answer.json()["error"]["code"] == "INVALID_FIELD"
    assert not world.peer.submissions


async def test_a_message_of_more_than_128_kib_is_too_large(world: World) -> None:
    answer = await world.client.post(
        "/v1/chat/messages", content=b"x" * 131_073, headers={**await world.session(), "Idempotency-Key": "key"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "TOO_LARGE")


async def test_while_storage_is_away_a_message_is_asked_to_come_again(world: World) -> None:
    session = await world.session()
    await say(world, session, "hello", "key")
    world.peer.away = True
    answer = await say(world, session, "again", "key-2")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_probe_of_the_events_is_answered_at_once_and_takes_no_place(world: World) -> None:
    session = await world.session()
    async with asyncio.timeout(PATIENCE_SECONDS):
        for _ in range(6):
            answer = await world.client.head("/v1/chat/events", headers=session)
            assert (answer.status_code, answer.content) == (200, b"")
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        async with world.client.stream("GET", "/v1/chat/events", headers=session) as stream:
            assert stream.status_code == 200
        assert (await world.client.head("/v1/chat/events")).status_code == 401


async def test_a_gateway_whose_places_for_pages_are_taken_tells_the_operator_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with running(tmp_path, chat_max_streams=1) as world:
        first = await world.session()
        await say(world, first, "hello", "key")
        async with events(world, first) as stream:
            assert await anext(stream)
            for _ in range(3):
                answer = await world.client.get("/v1/chat/events", headers=await world.session())
                assert answer.status_code == 429
        assert "".join(capfd.readouterr()).count("chat.full") == 1


@pytest.mark.parametrize(
    ("allowed", "framed"),
    [
        ("", "'self'"),
        ("https://shop.example/, HTTPS://b.example:8443", "'self' https://b.example:8443 https://shop.example"),
        ("https://shop.example; script-src x", "'self'"),
        ("*", "'self' *"),
    ],
)
async def test_the_sites_that_an_account_allows_may_show_the_page_in_a_frame(
    world: World, allowed: str, framed: str
) -> None:
    account = world.peer.accounts[f"webchat/{ADDRESSES['webchat']}"].account
    account.options["allowed_origins"] = allowed
    asked = f"/?site={account.account_key}"
    shown = await world.client.get(asked, headers={"sec-fetch-dest": "iframe"})
    alone = await world.client.get(asked, headers={"sec-fetch-dest": "document"})
    foreign = await world.client.get("/?site=nobody", headers={"sec-fetch-dest": "iframe"})
    policies = [
        each.headers["content-security-policy"].split("frame-ancestors ")[1] for each in (shown, alone, foreign)
    ]
    assert policies == [framed, "'self'", "'self'"]
    assert {each.text for each in (shown, alone, foreign)} == {alone.text}
