"""A Slack app that is installed for a whole organisation: whose is what its workspaces say?

https://docs.slack.dev/enterprise/developing-for-enterprise-orgs/
"""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from channels.channel import Credentials, Webhook
from channels.host import Account, Received, Verdict, receive
from channels.slack import Slack
from channels.slack_signature import sign

ORGANISATION, WORKSPACE, OTHER = "E0ORG00001", "T0WORK0001", "T0OTHER001"
SECRET = "a-signing-secret-of-the-tests"
NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
FORM = "application/x-www-form-urlencoded"


def received(body: bytes, address: str, content_type: str = "application/json") -> Received:
    proof = sign(body, secret=SECRET, at=int(NOW.timestamp()))
    webhook = Webhook("POST", "https://x/webhook/slack/k", {"content-type": content_type, **proof}, body, NOW)
    credentials = Credentials({"bot_token": "xoxb-1", "signing_secret": SECRET})
    return receive(Slack(), webhook, account=Account("a", address, credentials))


def event(of_all: bool, said_in: str = WORKSPACE, shared: bool = False, **team: str) -> bytes:
    installation = {"enterprise_id": ORGANISATION, "user_id": "W0BOT", "is_bot": True, "is_enterprise_install": of_all}
    said = {"type": "message", "channel": "D1", "channel_type": "im", "user": "W1", "text": "hello"}
    return orjson.dumps(
        {
            "type": "event_callback",
            "team_id": said_in,
            "enterprise_id": ORGANISATION,
            "is_ext_shared_channel": shared,
            "authorizations": [{**installation, **team}],
            "event": {**said, "ts": "1795240800.000100"},
        }
    )


def command(of_all: bool) -> bytes:
    stated = {"team_id": WORKSPACE, "enterprise_id": ORGANISATION, "is_enterprise_install": str(of_all).lower()}
    return urlencode({**stated, "command": "/model", "channel_id": "D1", "user_id": "W1", "trigger_id": "1"}).encode()


def button(of_all: bool, team: dict[str, str] | None) -> bytes:
    payload: dict[str, Any] = {
        "type": "block_actions",
        "team": team,
        "enterprise": {"id": ORGANISATION},
        "is_enterprise_install": of_all,
        "user": {"id": "W1"},
        "channel": {"id": "D1"},
        "trigger_id": "1",
        "actions": [{"action_id": "a", "value": "yes", "action_ts": "1795240800.1"}],
    }
    return urlencode({"payload": orjson.dumps(payload)}).encode()


def bodies(of_all: bool) -> list[tuple[bytes, str]]:
    json = [event(of_all, team_id=WORKSPACE), *([event(of_all)] if of_all else [])]
    forms = [command(of_all), button(of_all, {"id": WORKSPACE})]
    return [*((each, "application/json") for each in json), *((each, FORM) for each in forms)]


@pytest.mark.parametrize("address", [ORGANISATION, WORKSPACE])
def test_all_that_is_said_in_an_organisation_is_its_accounts_whichever_address_that_has(address: str) -> None:
    for body, content_type in bodies(of_all=True):
        heard = received(body, address, content_type)
        assert (heard.verdict, len(heard.messages)) == (Verdict.READ, 1), body
    assert received(button(True, None), ORGANISATION, FORM).messages[0].text == "yes"


def test_what_is_said_to_an_app_in_a_workspace_is_not_the_organisations() -> None:
    for body, content_type in bodies(of_all=False):
        assert len(received(body, WORKSPACE, content_type).messages) == 1
        heard = received(body, ORGANISATION, content_type)
        assert (heard.reason, heard.messages, dict(heard.elsewhere)) == ("account", (), {WORKSPACE: ""}), body


def test_nor_is_another_workspaces_what_is_said_in_an_organisation() -> None:
    for body, content_type in bodies(of_all=True):
        heard = received(body, OTHER, content_type)
        assert (heard.reason, dict(heard.elsewhere)) == ("account", {ORGANISATION: WORKSPACE}), body
    in_a_shared_channel = event(True, said_in=OTHER, shared=True)
    assert received(in_a_shared_channel, OTHER).reason == "account"
    assert len(received(in_a_shared_channel, ORGANISATION).messages) == 1
