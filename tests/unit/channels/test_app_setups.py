"""What is asked of Slack, Discord and Meta about an app, and what is made of their answers?"""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from channels.channel import Answer, Credentials, Throttled, Unavailable
from channels.setup import NEVER, Candidate, Known, Refused, Standing
from channels.setup_registry import SETUPS
from tests.unit.channels.test_setups import BASE, asked, said

KEY = "ab" * 32
SLACK = Candidate(
    address="T1",
    credentials=Credentials({"bot_token": "xoxb-canary", "signing_secret": "canary"}),
    public_base_url=BASE,
    webhook_path="/webhook/slack/k3y",
)
DISCORD = Candidate(
    address="77",
    credentials=Credentials({"bot_token": "canary.token", "public_key": KEY.upper()}),
    public_base_url=BASE,
    webhook_path="/webhook/discord/k3y",
)
CLOUD = Candidate(
    address="105954558954427",
    credentials=Credentials({"access_token": "EAAcanary", "app_secret": "canary", "verify_token": "canary"}),
    public_base_url=BASE,
    webhook_path="/webhook/whatsapp_cloud/k3y",
)
APPLICATION = {"id": "77", "name": "Parley", "verify_key": KEY, "interactions_endpoint_url": f"{BASE}/webhook/discord"}


def test_a_slack_token_says_its_workspace_and_a_missing_right_is_noted() -> None:
    team = {"ok": True, "team": "Acme", "team_id": "T1"}
    known, (call,) = asked(SETUPS["slack"].probe(SLACK), said(200, team))
    assert (known.name, known.address, len(known.notes)) == ("Acme", "T1", 1)
    assert (call.method, call.url) == ("POST", "https://slack.com/api/auth.test")
    for scopes, notes in (("chat:write,im:history", 1), ("im:history", 2)):
        told = Answer(200, {"x-oauth-scopes": scopes}, json.dumps(team).encode())
        assert len(asked(SETUPS["slack"].probe(SLACK), told)[0].notes) == notes


@pytest.mark.parametrize(("of_all", "address"), [(True, "E1"), (False, "T1")])
def test_an_app_of_a_whole_organisation_has_the_organisations_id(of_all: bool, address: str) -> None:
    told = {"ok": True, "team": "Acme", "team_id": "T1", "enterprise_id": "E1", "is_enterprise_install": of_all}
    assert asked(SETUPS["slack"].probe(SLACK), said(200, told))[0].address == address


def test_slack_is_set_by_hand_with_the_url_at_every_place() -> None:
    assert SETUPS["slack"].register(SLACK) is None
    assert asked(SETUPS["slack"].inspect(SLACK)) == ((), [])
    steps = SETUPS["slack"].clicks(SLACK)
    assert all(f"{BASE}/webhook/slack/k3y" in each for each in steps)


def test_a_discord_application_is_known_by_its_token_and_its_key_is_compared() -> None:
    known, (call,) = asked(SETUPS["discord"].probe(DISCORD), said(200, APPLICATION))
    assert known == Known("Parley", "77")
    assert call.headers["authorization"] == "Bot canary.token"
    with pytest.raises(Refused, match="another application's"):
        asked(SETUPS["discord"].probe(DISCORD), said(200, {**APPLICATION, "verify_key": "cd" * 32}))


@pytest.mark.parametrize(
    ("url", "good"),
    [
        (f"{BASE}/webhook/discord", True),
        (f"{BASE}/webhook/discord/k3y", True),
        (f"{BASE}/webhook/discord/other", False),
        (None, False),
    ],
)
def test_where_interactions_go_is_said(url: str | None, good: bool) -> None:
    told = said(200, {**APPLICATION, "interactions_endpoint_url": url})
    ((standing,), _) = asked(SETUPS["discord"].inspect(DISCORD), told)
    assert standing.good is good
    ((standing,), _) = asked(SETUPS["discord"].inspect(replace(DISCORD, public_base_url="")), told)
    assert isinstance(standing, Standing)
    assert not standing.good


def test_discord_takes_the_url_from_us_once_it_has_tried_it_out() -> None:
    _, (call,) = asked(SETUPS["discord"].register(DISCORD), said(200, APPLICATION))
    assert (call.method, json.loads(call.body)) == (
        "PATCH",
        {"interactions_endpoint_url": f"{BASE}/webhook/discord/k3y"},
    )
    with pytest.raises(Refused, match="could not verify"):
        asked(SETUPS["discord"].register(DISCORD), said(400, {"code": 50035}))


def test_only_an_endpoint_of_ours_is_taken_away() -> None:
    gone, calls = asked(SETUPS["discord"].unregister(DISCORD), said(200, APPLICATION), said(200, APPLICATION))
    assert gone is True
    assert json.loads(calls[1].body) == {"interactions_endpoint_url": None}
    theirs = {**APPLICATION, "interactions_endpoint_url": "https://other.example.com/x"}
    gone, calls = asked(SETUPS["discord"].unregister(DISCORD), said(200, theirs))
    assert (gone, len(calls)) == (False, 1)


def test_a_number_at_meta_is_asked_for_by_its_id_with_the_proof_by_the_apps_secret() -> None:
    told = {"verified_name": "Shop", "display_phone_number": "+1 415 555 0100", "id": CLOUD.address}
    never = said(200, {"data": {"is_valid": True, "expires_at": 0}})
    known, (call, debug) = asked(SETUPS["whatsapp_cloud"].probe(CLOUD), said(200, told), never)
    assert known.expires_at == NEVER
    assert (known.name, known.address) == ("Shop", CLOUD.address)
    assert known.notes[0] == "people write to +1 415 555 0100"
    assert call.url.startswith(
        "https://graph.facebook.com/v23.0/105954558954427?fields=verified_name%2Cdisplay_phone_number&appsecret_proof="
    )
    assert "canary" not in call.url
    assert debug.url == "https://graph.facebook.com/v23.0/debug_token?input_token=EAAcanary"
    steps = SETUPS["whatsapp_cloud"].clicks(CLOUD)
    assert f"Callback URL: {BASE}/webhook/whatsapp_cloud/k3y," in steps[1]


@pytest.mark.parametrize(
    ("answer", "expires_at", "notes"),
    [
        (said(200, {"data": {"is_valid": True, "expires_at": 1_800_000_000}}), datetime(2027, 1, 15, 8, tzinfo=UTC), 3),
        (said(200, {"data": {"is_valid": True, "expires_at": "soon"}}), None, 2),
        (said(400, {"error": {"code": 100}}), None, 2),
        (Answer(200, {}, b"<html>"), None, 2),
    ],
)
def test_when_a_token_of_metas_ends_is_said_where_meta_says_it(
    answer: Answer, expires_at: datetime | None, notes: int
) -> None:
    told = {"verified_name": "Shop", "display_phone_number": "+1 415 555 0100", "id": CLOUD.address}
    known, _ = asked(SETUPS["whatsapp_cloud"].probe(CLOUD), said(200, told), answer)
    assert (known.expires_at, len(known.notes)) == (expires_at, notes)


def test_the_account_of_an_instagram_token_is_compared_with_the_address() -> None:
    mine = {"username": "shop", "user_id": CLOUD.address}
    known, (call,) = asked(SETUPS["instagram"].probe(CLOUD), said(200, mine))
    assert known.name == "shop"
    assert call.url == "https://graph.instagram.com/v23.0/me?fields=username%2Cuser_id"
    with pytest.raises(Refused, match="another account's"):
        asked(SETUPS["instagram"].probe(CLOUD), said(200, {**mine, "user_id": "1"}))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (said(401, {"error": {"code": 190}}), "refuses this access_token"),
        (said(400, {"error": {"code": 100, "error_subcode": 33}}), "does not show this id"),
    ],
)
def test_what_meta_refuses_is_said_with_where_to_look(answer: Answer, words: str) -> None:
    with pytest.raises(Refused, match=words) as caught:
        asked(SETUPS["whatsapp_cloud"].probe(CLOUD), answer)
    assert "Phone number ID" in caught.value.fix
    with pytest.raises(Refused, match="digits only"):
        asked(SETUPS["whatsapp_cloud"].probe(replace(CLOUD, address="+14155550100")))
    with pytest.raises(Unavailable):
        asked(SETUPS["whatsapp_cloud"].probe(CLOUD), Answer(200, {}, b"<html>"))


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("slack", said(200, {"ok": False, "error": "invalid_auth"})),
        ("slack", said(200, {"ok": False, "error": "token_revoked"})),
        ("discord", said(401, {"message": "401: Unauthorized", "code": 0})),
    ],
)
def test_a_token_that_is_none_is_refused_with_where_to_find_one(name: str, answer: Answer) -> None:
    with pytest.raises(Refused) as caught:
        asked(SETUPS[name].probe(SLACK if name == "slack" else DISCORD), answer)
    assert "https://" in caught.value.fix
    assert "canary" not in str(caught.value) + caught.value.fix


@pytest.mark.parametrize(
    ("name", "answer", "kind"),
    [
        ("slack", Answer(404, {}, b"<html>"), Unavailable),
        ("slack", said(429, {"ok": False, "error": "ratelimited"}), Throttled),
        ("discord", Answer(200, {}, b"<html>"), Unavailable),
        ("discord", Answer(403, {}, b"<html>"), Unavailable),
        ("discord", said(429, {"retry_after": 1.5}), Throttled),
    ],
)
def test_what_is_ill_says_nothing_about_the_token(name: str, answer: Answer, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        asked(SETUPS[name].probe(SLACK if name == "slack" else DISCORD), answer)
