"""How is a captured body signed anew, for another URL and for now? As its provider would, with the golden secret."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from channels import discord, line, meta_webhook, slack_signature, twilio_signature
from channels.channel import Credentials, Webhook
from channels.payload import parse_form
from channels.webchat import Session, issue_session
from tests.suites.channels.golden import account

Sign = Callable[[Webhook, Credentials], Mapping[str, str]]

LIVES = timedelta(hours=1)


def signed(channel: str, webhook: Webhook) -> Webhook:
    """The same body as its provider would post it to this URL at `received_at`."""
    proof = _SIGNERS[channel](webhook, account(channel).credentials)
    return replace(webhook, headers={**webhook.headers, **proof})


def in_session(webhook: Webhook, *, account_id: str, chat_id: str) -> Webhook:
    """A body of the web chat in a session of that account."""
    session = Session("default", account_id, chat_id, webhook.received_at + LIVES, webhook.headers.get("origin", ""))
    token = issue_session(session, account("webchat").credentials["session_key"])
    return replace(webhook, headers={**webhook.headers, "authorization": f"Bearer {token}"})


def _twilio(webhook: Webhook, credentials: Credentials) -> Mapping[str, str]:
    form = parse_form(webhook.body)
    return {twilio_signature.HEADER: twilio_signature.sign(webhook.url, form, token=credentials["auth_token"])}


def _meta(webhook: Webhook, credentials: Credentials) -> Mapping[str, str]:
    return {meta_webhook.HEADER: meta_webhook.sign(webhook.body, credentials["app_secret"])}


def _line(webhook: Webhook, credentials: Credentials) -> Mapping[str, str]:
    return {line.HEADER: line.sign(webhook.body, credentials["channel_secret"])}


def _slack(webhook: Webhook, credentials: Credentials) -> Mapping[str, str]:
    """Bytes: Slack's own client reads them as UTF-8, which a damaged body is not."""
    stamp = str(int(webhook.received_at.timestamp()))
    signed_bytes = b":".join((b"v0", stamp.encode(), webhook.body))
    digest = hmac.digest(credentials["signing_secret"].encode(), signed_bytes, "sha256")
    return {slack_signature.TIMESTAMP: stamp, slack_signature.SIGNATURE: "v0=" + digest.hex()}


def _discord(webhook: Webhook, credentials: Credentials) -> Mapping[str, str]:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(credentials["test_private_key"]))
    stamp = str(int(webhook.received_at.timestamp()))
    return {discord.TIMESTAMP: stamp, discord.SIGNATURE: key.sign(stamp.encode() + webhook.body).hex()}


def _as_captured(webhook: Webhook, credentials: Credentials) -> Mapping[str, str]:
    """The proof says nothing about the body."""
    return {}


_SIGNERS: Mapping[str, Sign] = {
    "discord": _discord,
    "instagram": _meta,
    "line": _line,
    "slack": _slack,
    "sms": _twilio,
    "telegram": _as_captured,
    "webchat": _as_captured,
    "whatsapp": _twilio,
    "whatsapp_cloud": _meta,
}
