"""Is a web chat session worth what it says: this chat, this account, until then, from this page?"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from channels.channel import BadSignature, Credentials, Outgoing, Rejected, Sent, Stale
from channels.files import File
from channels.webchat import Session, Webchat, issue_session, origin_allowed, verify_session
from parley.chat.v1.message_pb2 import ATTACHMENT_KIND_FILE

KEY = "k" * 43
NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
SESSION = Session("t-1", "a-1", "c-1", NOW + timedelta(hours=1), "https://shop.example")


def test_a_session_comes_back_as_it_was_given() -> None:
    token = issue_session(SESSION, KEY)
    assert verify_session(token, KEY, now=NOW) == SESSION


def test_a_session_ends() -> None:
    token = issue_session(SESSION, KEY)
    verify_session(token, KEY, now=SESSION.expires_at - timedelta(seconds=1))
    with pytest.raises(Stale):
        verify_session(token, KEY, now=SESSION.expires_at)


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "\xe9", "\ud800", "eyJhbGciOiJub25lIn0.e30.", "x" * 100_000])
def test_what_is_no_session_is_refused(token: str) -> None:
    with pytest.raises(BadSignature):
        verify_session(token, KEY, now=NOW)


def test_an_unsigned_or_otherwise_signed_session_is_refused() -> None:
    claims = {"tenant": "t", "account": "a", "chat": "c", "origin": "", "exp": 4_000_000_000}
    for token in (
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode(claims, "z" * 43, algorithm="HS256"),
        jwt.encode(claims, KEY * 2, algorithm="HS512"),
    ):
        with pytest.raises(BadSignature):
            verify_session(token, KEY, now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        *({"exp": None}, {"exp": "soon"}, {"exp": True}, {"exp": 10**30}, {"exp": -(10**30)}),
        *({"chat": ""}, {"chat": 5}, {"account": None}),
    ],
)
def test_a_session_with_a_claim_missing_or_wrong_is_refused(change: dict[str, object]) -> None:
    claims = {"tenant": "t", "account": "a", "chat": "c", "origin": "", "exp": 4_000_000_000, **change}
    with pytest.raises(BadSignature):
        verify_session(jwt.encode(claims, KEY, algorithm="HS256"), KEY, now=NOW)


@pytest.mark.parametrize("key", ["", " ", "short"])
def test_a_key_too_short_neither_signs_nor_verifies(key: str) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        issue_session(SESSION, key)
    with pytest.raises(BadSignature):
        verify_session(issue_session(SESSION, KEY), key, now=NOW)


def test_another_key_refuses() -> None:
    with pytest.raises(BadSignature):
        verify_session(issue_session(replace(SESSION, chat_id="c-2"), "z" * 43), KEY, now=NOW)


@pytest.mark.parametrize(
    ("origin", "allowed", "expected"),
    [
        ("", "", True),
        ("https://parley.example", "", True),
        ("https://PARLEY.example", "", True),
        ("https://shop.example", "", False),
        ("https://shop.example", "https://shop.example", True),
        ("https://shop.example", "https://a.example, https://shop.example/", True),
        ("https://shop.example.evil", "https://shop.example", False),
        ("https://evil", "https://shop.example", False),
        ("http://shop.example", "https://shop.example", False),
        ("null", "https://shop.example", False),
        ("https://anyone", "*", True),
    ],
)
def test_only_pages_on_the_list_and_our_own_may_ask(origin: str, allowed: str, expected: bool) -> None:
    assert origin_allowed(origin, allowed, own_origin="https://parley.example/") is expected


@pytest.mark.parametrize(("url", "sent"), [("https://example.com/f.pdf", True), ("", False)])
def test_a_file_counts_as_sent_where_the_visitor_has_a_way_to_it(url: str, sent: bool) -> None:
    file = File(ATTACHMENT_KIND_FILE, "application/pdf", url=url, content=b"" if url else b"%PDF")
    giving = Webchat().give(Outgoing("d-1", 0, "", "c-1", "web", file=file), Credentials({}))
    if sent:
        with pytest.raises(StopIteration) as ended:
            next(giving)
        assert ended.value.value == Sent("d-1.0")
    else:
        with pytest.raises(Rejected) as refused:
            next(giving)
        assert (refused.value.kind, refused.value.provider_code) == ("payload", "file_needs_url")
