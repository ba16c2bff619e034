"""Is an account of LINE's looked up, its webhook set and tried out, and is each trouble told with its fix?"""

from typing import Any

import orjson
import pytest

from channels.channel import Answer, Call, Credentials
from channels.line_setup import LineSetup
from channels.setup import Candidate, Refused, Standing
from channels.setup_registry import SETUPS

BOT = "U" + "0" * 31 + "1"
HERE = "https://parley.example/webhook/line/k3y"
GIVEN = Credentials({"channel_secret": "s" * 32, "access_token": "a-token"})


def candidate(**changed: Any) -> Candidate:
    return Candidate(
        **{"address": "", "credentials": GIVEN, "public_base_url": "https://parley.example"} | changed,
        webhook_path="/webhook/line/k3y",
    )


def run(flow: Any, *answers: tuple[int, Any]) -> tuple[Any, list[Call]]:
    calls = [next(flow)]
    try:
        for status, content in answers:
            calls.append(flow.send(Answer(status, {}, orjson.dumps(content))))
    except StopIteration as ended:
        return ended.value, calls
    raise AssertionError(f"asks on: {calls[-1]}")


def inspected(*answers: tuple[int, Any], **changed: Any) -> tuple[Standing, ...]:
    found, _ = run(LineSetup().inspect(candidate(**changed)), *answers)
    standings: tuple[Standing, ...] = found
    return standings


def test_the_bots_user_id_is_the_address() -> None:
    told = {"userId": BOT, "displayName": "Shop", "chatMode": "chat"}
    known, [call] = run(LineSetup().probe(candidate()), (200, told))
    assert (known.name, known.address) == ("Shop", BOT)
    assert any("Chat is on" in each for each in known.notes)
    assert (call.method, call.url) == ("GET", "https://api.line.me/v2/bot/info")


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_line_does_not_know_is_refused(status: int) -> None:
    with pytest.raises(Refused) as refused:
        run(LineSetup().probe(candidate()), (status, {"message": "Authentication failed"}))
    assert "Issue" in refused.value.fix
    with pytest.raises(Refused):
        run(LineSetup().probe(candidate(credentials=Credentials({"access_token": "two words"}))))


def test_the_url_is_put_and_one_that_line_refuses_is_told() -> None:
    _, [call] = run(LineSetup().register(candidate()), (200, {}))
    assert (call.method, orjson.loads(call.body)) == ("PUT", {"endpoint": HERE})
    with pytest.raises(Refused, match="Invalid webhook endpoint URL"):
        run(LineSetup().register(candidate()), (400, {"message": "Invalid webhook endpoint URL"}))


def test_how_the_webhook_stands_ends_with_lines_own_test() -> None:
    here = {"endpoint": HERE, "active": True}
    well = {"success": True, "statusCode": 200, "detail": "200"}
    assert [each.good for each in inspected((200, here), (200, well))] == [True, True]
    secret = inspected((200, here), (200, {"success": False, "statusCode": 403, "detail": "403"}))[-1]
    assert (secret.good, "channel_secret" in secret.found) == (False, True)
    away = inspected((200, here), (200, {"success": False, "statusCode": 0, "detail": "Connection refused"}))[-1]
    assert "Connection refused" in away.found
    assert "Use webhook" in inspected((200, here | {"active": False}))[-1].fix


@pytest.mark.parametrize(
    ("status", "told", "public"),
    [
        (404, {"message": "Not found"}, "https://parley.example"),
        (200, {"endpoint": "https://other.example/x", "active": True}, "https://parley.example"),
        (200, {"endpoint": HERE, "active": True}, ""),
    ],
)
def test_a_webhook_that_is_not_ours_is_not_tried_out(status: int, told: dict[str, Any], public: str) -> None:
    [standing] = inspected((status, told), public_base_url=public)
    assert not standing.good


def test_a_person_takes_the_url_away_and_is_shown_where_it_is_entered() -> None:
    assert SETUPS["line"].unregister(candidate()) is None
    assert any(HERE in each for each in LineSetup().clicks(candidate()))
