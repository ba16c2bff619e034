"""What is a page, or a program, told when the web chat refuses it, and the operator when it should not?"""

import gzip
import json
from pathlib import Path

import pytest

from tests.suites.gateway.conftest import World, running


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"host": "chat.example.com"}, 1),  # a tunnel that keeps the name
        ({"sec-fetch-site": "same-origin"}, 1),  # a proxy that does not
        ({"sec-fetch-site": "cross-site"}, 0),
        ({}, 0),
    ],
)
async def test_where_nobody_named_the_proxy_with_tls_the_operator_is_told_once_why_our_own_page_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], headers: dict[str, str], told: int
) -> None:
    async with running(tmp_path) as world:
        asked = {"origin": "https://chat.example.com", "x-forwarded-proto": "https", **headers}
        for _ in range(3):
            assert (await world.client.post("/v1/chat/sessions", json={}, headers=asked)).status_code == 403
        said = "".join(capfd.readouterr())
        assert said.count("chat.foreign") == told
        assert said.count("PUBLIC_BASE_URL=https://") == told


async def test_a_refusal_names_what_was_wrong(world: World) -> None:
    session, good = await world.session(), b'{"text":"hello"}'
    for key, body, field in (
        (None, good, "Idempotency-Key"),
        ("k" * 201, good, "Idempotency-Key"),
        ("a key", good, "Idempotency-Key"),
        ("key", b"hello", "body"),
        ("key", b'["hello"]', "body"),
        ("key", gzip.compress(good), "body"),
        ("key", b"{}", "text"),
        ("key", b'{"text":" "}', "text"),
        ("key", b'{"text":5}', "text"),
    ):
        headers = session if key is None else {**session, "Idempotency-Key": key}
        answer = await world.client.post("/v1/chat/messages", content=body, headers=headers)
        assert answer.status_code == 400
        assert [each["field"] for each in answer.json()["error"]["details"]] == [field], (key, body)
    assert not world.peer.submissions


async def test_the_longest_text_is_taken_however_its_json_is_written(world: World) -> None:
    """Off the shelf Python and PHP escape what is not ASCII: an emoji is twelve bytes."""
    text = "\U0001f64f" * 8000
    headers = {**await world.session(), "Idempotency-Key": "key"}
    answer = await world.client.post("/v1/chat/messages", content=json.dumps({"text": text}), headers=headers)
    assert (answer.status_code, world.peer.texts()) == (200, [text])
