"""What does Discord say of an application: whose it is, where its interactions go, and where it is told what happens?

https://docs.discord.com/developers/resources/application · https://docs.discord.com/developers/events/gateway
"""

from collections.abc import Mapping
from typing import Any

from channels.payload import parse_json, string
from sandbox.provider import Account, Ask, Reply
from sandbox.providers.discord_gateway import Gateway

PATH, ID, OWNER = "/applications/@me", "1140000000000000001", "990000000000000001"
ME = {"id": ID, "username": "sandbox", "discriminator": "0000", "avatar": None, "bot": True}
KINDS = {PATH: "application", "/users/@me": "user", "/oauth2/applications/@me": "application"}
KINDS |= {"/gateway": "gateway", "/gateway/bot": "gateway"}


class Application:
    """One, with its bot."""

    def __init__(self, account: Account, gateway: Gateway) -> None:
        self._account = account
        self._gateway = gateway
        self.endpoint = account.webhook_url("discord")  # where interactions go; "" for the Gateway

    def answer(self, ask: Ask) -> Reply:
        """Of one of the paths above; whoever asks is known. Raises Unreadable."""
        if ask.path == PATH:
            return self._shown(ask)
        where = f"{ask.base_url.replace('http', 'ws', 1)}/gateway"
        owner = {"id": OWNER, "username": "ann", "discriminator": "0", "avatar": None}
        told: dict[str, Mapping[str, Any]] = {
            "/gateway": {"url": where},
            "/gateway/bot": {"url": where, "shards": 1, "session_start_limit": self._gateway.limit()},
            "/users/@me": ME,
            "/oauth2/applications/@me": {**self._about(), "icon": None, "summary": "", "owner": owner},
        }
        return Reply(200, told[ask.path])

    def _shown(self, ask: Ask) -> Reply:
        """And told where interactions go. The real one tries the URL out before it takes it."""
        if ask.method not in ("GET", "PATCH"):
            return Reply(405, {"message": "405: Method Not Allowed", "code": 0})
        asked = parse_json(ask.body) if ask.method == "PATCH" else {}
        if "interactions_endpoint_url" in asked:
            self.endpoint = string(asked["interactions_endpoint_url"])
        return Reply(200, self._about() | {"interactions_endpoint_url": self.endpoint or None})

    def _about(self) -> dict[str, Any]:
        told = {"id": ID, "name": "Sandbox", "description": "", "bot_public": True, "flags": 0}
        return told | {"verify_key": self._account.values["DISCORD_PUBLIC_KEY"], "bot_require_code_grant": False}
