"""Whose is a Slack app's token, and where does a person enter its URLs? https://docs.slack.dev/reference/methods/auth.test"""

import re

from channels import slack_errors
from channels.channel import Answer, Call, Unauthorized
from channels.payload import string
from channels.setup import Asking, Candidate, Known, Refused, Standing
from channels.slack import API_BASE_URL, TIMEOUT_SECONDS

APPS = "https://api.slack.com/apps"
TOKEN_PAGE = f"{APPS} > the app > OAuth & Permissions > Bot User OAuth Token (xoxb-…)"
UNPROVED = "whether the signing_secret is right shows when Slack verifies the URL: only Slack signs with it"

_TOKEN = re.compile(r"xox[a-z]-[!-~]{1,500}", re.ASCII)


class SlackSetup:
    """An app's, in one workspace."""

    made_up: tuple[str, ...] = ()
    url_ending: str = ""

    def probe(self, candidate: Candidate) -> Asking[Known]:
        """One auth.test. The workspace's id is the address: what another one sends is refused from then on."""
        answer = yield _call(candidate)
        told = _content(answer)
        notes = [UNPROVED]
        scopes = answer.headers.get("x-oauth-scopes", "")
        if scopes and "chat:write" not in scopes.replace(" ", "").split(","):
            notes.append("the token lacks chat:write, without which nothing can be answered")
        address = string(told.get("team_id"))
        if told.get("is_enterprise_install") is True:  # for all workspaces of an organisation
            address = string(told.get("enterprise_id")) or address
        return Known(string(told.get("team")), address, tuple(notes))

    def inspect(self, _candidate: Candidate) -> Asking[tuple[Standing, ...]]:
        """Slack does not tell."""
        yield from ()
        return ()

    def register(self, _candidate: Candidate) -> None:
        """By hand: Slack takes it from a page, or from a manifest."""

    def unregister(self, _candidate: Candidate) -> None:
        """By hand as well."""

    def clicks(self, candidate: Candidate) -> tuple[str, ...]:
        """With the URL to enter."""
        url = candidate.webhook_url or f"https://<your host>{candidate.webhook_path}"
        return (
            f"{APPS} > the app > Event Subscriptions > Request URL: {url}, until it is Verified; Save Changes",
            f"Interactivity & Shortcuts > Request URL: {url}; Save Changes",
            f"Slash Commands > each command > Request URL: {url}; Save",
        )


def _call(candidate: Candidate) -> Call:
    token = candidate.credentials.get("bot_token", "")
    if not _TOKEN.fullmatch(token):
        raise Refused("the bot_token does not look like one: xoxb-…", fix=TOKEN_PAGE)
    base = (candidate.api_base_url or API_BASE_URL).rstrip("/")
    headers = {"authorization": f"Bearer {token}", "accept": "application/json"}
    return Call("POST", f"{base}/auth.test", headers, b"", TIMEOUT_SECONDS)


def _content(answer: Answer) -> dict[str, object]:
    try:
        return slack_errors.taken(answer)
    except Unauthorized as failure:
        raise Refused("Slack refuses this bot_token", fix=TOKEN_PAGE, provider_code=failure.provider_code) from None
