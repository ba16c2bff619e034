"""What do WhatsApp Cloud and Instagram share at Meta? The Graph API: its door, its errors, how its webhooks are signed.

https://developers.facebook.com/docs/graph-api/guides/error-handling
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from channels import meta_webhook
from channels.channel import Unreadable, Webhook
from channels.payload import parse_form, parse_json
from sandbox.provider import Account, Ask, Draw, Reply

_NODE = re.compile(r"/v[0-9]{1,3}\.[0-9]{1,2}/(?P<node>[0-9a-z_]{1,40})")
_PATH = re.compile(r"/v[0-9]{1,3}\.[0-9]{1,2}/(?P<account>[^/]+)/messages")


def app(draw: Draw) -> Mapping[str, str]:
    """The app that both channels belong to."""
    return {"META_APP_SECRET": draw(32), "META_VERIFY_TOKEN": draw(32)}


@dataclass(frozen=True, slots=True)
class Door:
    """Who gets in, to which account."""

    account_id: str
    access_token: str
    app_secret: str
    about: Mapping[str, str] = field(default_factory=dict)  # the account's fields

    def asked(self, ask: Ask) -> Mapping[str, Any] | Reply:
        """What a send asks for, or why it is not heard; what was looked up, where nothing is sent."""
        path = _PATH.fullmatch(ask.path)
        if looked_up := _NODE.fullmatch(ask.path) if ask.method == "GET" else None:
            return self.refusal(ask) or self._shown(ask, looked_up["node"])
        if not path or ask.method != "POST":
            return refused(400, 2500, message="Unknown path components")
        if refusal := self.refusal(ask):
            return refusal
        if path["account"] != self.account_id:
            return refused(400, 100, message="Unsupported post request. Object with ID does not exist", subcode=33)
        try:
            return parse_json(ask.body)
        except Unreadable:
            return refused(400, 100, message="The body is not valid JSON")

    def refusal(self, ask: Ask) -> Reply | None:
        """Why the caller is not believed."""
        token = ask.headers.get("authorization", "").encode("latin-1", "replace")
        if not hmac.compare_digest(token, f"Bearer {self.access_token}".encode()):
            return refused(401, 190, message="Invalid OAuth access token - Cannot parse access token")
        proof = hmac.digest(self.app_secret.encode(), self.access_token.encode(), "sha256").hex()
        if parse_form(ask.query).first("appsecret_proof") not in {"", proof}:
            return refused(400, 100, message="Invalid appsecret_proof provided in the API argument")
        return None

    def _shown(self, ask: Ask, node: str) -> Reply:
        """The account's fields that were asked for, and its id; of the token that it never ends."""
        query = parse_form(ask.query)
        if node == "debug_token":
            ours = query.first("input_token") == self.access_token
            return Reply(200, {"data": {"is_valid": ours, **({"expires_at": 0} if ours else {})}})
        if node not in (self.account_id, "me"):
            return refused(400, 100, message="Unsupported get request. Object with ID does not exist", subcode=33)
        wanted = query.first("fields").split(",")
        return Reply(
            200, {"id": self.account_id} | {name: value for name, value in self.about.items() if name in wanted}
        )


def label(ask: Ask) -> str:
    """The edge, without the account."""
    if _NODE.fullmatch(ask.path):
        return f"{ask.method} account"
    return f"{ask.method} messages" if _PATH.fullmatch(ask.path) else f"{ask.method} something else"


def refused(status: int, code: int, *, message: str, subcode: int = 0, seconds: int = 0) -> Reply:
    """The Graph API's own shape of an error."""
    error: dict[str, Any] = {"message": f"(#{code}) {message}", "type": "OAuthException", "code": code}
    error |= {"error_subcode": subcode} if subcode else {}
    headers = {"retry-after": str(seconds)} if seconds else {}
    return Reply(status, {"error": error | {"fbtrace_id": "ASandbox"}}, headers)


def signed(url: str, content: Any, *, account: Account) -> Webhook:
    """A webhook of the app's."""
    body = orjson.dumps(content)
    signature = meta_webhook.sign(body, account.values["META_APP_SECRET"])
    headers = {"content-type": "application/json", meta_webhook.HEADER: signature}
    return Webhook("POST", url, headers, body, account.now())
