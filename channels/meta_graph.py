"""How is Meta's Graph API called to send a message? https://developers.facebook.com/docs/graph-api/overview"""

import hmac
import re
from collections.abc import Mapping

import orjson

from channels import meta_errors
from channels.channel import Answer, Call, Outgoing, Unauthorized, Unreadable
from channels.payload import parse_json

VERSION = "v23.0"  # of the official description that the calls were checked against; Meta keeps one for two years
TIMEOUT_SECONDS = 15.0
_VERSION = re.compile(r"v[0-9]{1,3}\.[0-9]{1,2}", re.ASCII)
# An id in a path, and a token in a header: neither may bring anything else along.
_ID = re.compile(r"[0-9]{1,32}", re.ASCII)
_TOKEN = re.compile(r"[!-~]{1,2000}", re.ASCII)


def send(outgoing: Outgoing, token: str, *, base_url: str, body: Mapping[str, object], app_secret: str = "") -> Call:
    """POST /{account}/messages. The secret, where it is given, proves that the token was not stolen."""
    if not _TOKEN.fullmatch(token):
        raise Unauthorized("the access token is not one")
    if not _ID.fullmatch(outgoing.address):
        raise Unauthorized("the account's address is no id")
    stated = outgoing.options.get("graph_version", "")
    version = stated if _VERSION.fullmatch(stated) else VERSION
    url = f"{(outgoing.api_base_url or base_url).rstrip('/')}/{version}/{outgoing.address}/messages"
    if app_secret:  # https://developers.facebook.com/docs/graph-api/guides/secure-requests
        url += "?appsecret_proof=" + hmac.digest(app_secret.encode(), token.encode(), "sha256").hex()
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json", "accept": "application/json"}
    return Call("POST", url, headers, orjson.dumps(body), TIMEOUT_SECONDS)


def taken(answer: Answer) -> dict[str, object]:
    """What a good answer holds; empty when it cannot be read. Raises the DeliveryError of a bad one."""
    if not 200 <= answer.status < 300:
        raise meta_errors.failure(answer)
    try:
        return parse_json(answer.body)
    except Unreadable:
        return {}
