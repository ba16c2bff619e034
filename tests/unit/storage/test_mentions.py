"""Is a person found in a body however a provider writes them, and nobody else for them?"""

import json
import urllib.parse

import pytest

from storage_service.domain.mentions import Mentions


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("+12025550001", b'{"recipient_id":"12025550001"}'),
        ("12025550001", b"To=%2B12025550001&MessageStatus=read"),
        ("+12025550001", b"To=whatsapp%3A%2B12025550001"),
        ("whatsapp:+12025550001", b'{"from": "12025550001"}'),
        ("+12025550001", b'{"to":"\\u002B12025550001"}'),
        ("4242", b'{"from":{"id":4242,"first_name":"Ann"}}'),
        ("U012AB3CD", b'{"text":"hello <@U012AB3CD>"}'),
        ("U012AB3CD", b"payload=%7B%22user%22%3A%22U012AB3CD%22%7D"),
        ("ann@example.org", b"from=ann%40example.org"),
        ("Zo\u00eb/1", b'{"from":"Zo\\u00eb\\/1"}'),
        ("Zo\u00eb/1", '{"from":"Zo\u00eb/1"}'.encode()),
        ("42", b'{"text":"call me\\n42"}'),
        ("US.1349", b"\xff\xfeUS.1349\x00"),
        ("100%_sure", b"from=100%25_sure"),
        ('a"b\\c', json.dumps({"from": 'a"b\\c'}).encode()),
        ("a b", urllib.parse.urlencode({"from": "a b"}).encode()),
    ],
)
def test_a_person_is_found_however_they_are_written(name: str, body: bytes) -> None:
    assert Mentions([name]).are_in(body)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("+12025550001", b'{"from":"12025550002"}'),
        ("7", b'{"from":"17","at":1712345678,"price":"0x7"}'),
        ("+2", b'{"count":12}'),
        ("U012", b'{"user":"U0123","bot":"XU012"}'),
        ("", b"anything"),
    ],
)
def test_and_nobody_else_is_taken_for_them(name: str, body: bytes) -> None:
    assert not Mentions([name]).are_in(body)


def test_one_of_several_names_is_enough() -> None:
    known = Mentions(["+12025550001", "U012AB3CD"])
    assert known.are_in(b"12025550001")
    assert known.are_in(b"U012AB3CD")
    assert not known.are_in(b"somebody else")


def test_who_has_no_name_is_nowhere() -> None:
    assert not Mentions([]).are_in(b"anything")
