"""How is Meta's Graph API called to send a message? https://developers.facebook.com/docs/graph-api/overview"""

import hmac
import re
from collections.abc import Mapping

import orjson

from channels import meta_errors
from channels.channel import Answer, Call, Outgoing, Rejected, Unauthorized
from channels.payload import content

VERSION = "v23.0"  # of the official description that the calls were checked against; Meta keeps one for two years
TIMEOUT_SECONDS = 15.0
_VERSION = re.compile(r"v[0-9]{1,3}\.[0-9]{1,2}", re.ASCII)
# An id in a path, and a token in a header: neither may bring anything else along.
_ID = re.compile(r"[0-9]{1,32}", re.ASCII)
# "Object does not exist, cannot be loaded due to missing permissions, or does not support this operation"
_NOT_SHOWN = "100/33"
_TOKEN = re.compile(r"[!-~]{1,2000}", re.ASCII)


def send(outgoing: Outgoing, token: str, *, base_url: str, body: Mapping[str, object], app_secret: str = "") -> Call:
    """POST /{account}/messages. The secret, where it is given, proves that the token was not stolen."""
    if not _TOKEN.fullmatch(token):
        raise Unauthorized("the access token is not one")
    if not _ID.fullmatch(outgoing.address):
        raise Unauthorized("the account's address is no id")
    base = f"{(outgoing.api_base_url or base_url).rstrip('/')}/{version(outgoing.options)}"
    url = with_proof(f"{base}/{outgoing.address}/messages", token, app_secret=app_secret)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json", "accept": "application/json"}
    return Call("POST", url, headers, orjson.dumps(body), TIMEOUT_SECONDS)


def ask(path: str, token: str, *, base_url: str, options: Mapping[str, str], app_secret: str = "") -> Call:
    """GET something by its path."""
    if not _TOKEN.fullmatch(token):
        raise Unauthorized("the access token is not one")
    url = with_proof(f"{base_url.rstrip('/')}/{version(options)}/{path}", token, app_secret=app_secret)
    headers = {"authorization": f"Bearer {token}", "accept": "application/json"}
    return Call("GET", url, headers, b"", TIMEOUT_SECONDS)


def version(options: Mapping[str, str]) -> str:
    """Of the API: the account's own, or ours."""
    stated = options.get("graph_version", "")
    return stated if _VERSION.fullmatch(stated) else VERSION


def with_proof(url: str, token: str, *, app_secret: str) -> str:
    """https://developers.facebook.com/docs/graph-api/guides/secure-requests"""
    if not app_secret:
        return url
    return f"{url}?appsecret_proof={hmac.digest(app_secret.encode(), token.encode(), 'sha256').hex()}"


def taken(answer: Answer) -> dict[str, object]:
    """What a good answer holds; empty when it cannot be read. Raises the DeliveryError of a bad one."""
    if not 200 <= answer.status < 300:
        raise meta_errors.failure(answer)
    return content(answer.body)


def sent(answer: Answer) -> dict[str, object]:
    """The same of a POST to the account's own path: what this token is not shown there is the account itself, and
    nobody gets anything until a person acts."""
    try:
        return taken(answer)
    except Rejected as refused:
        if refused.provider_code != _NOT_SHOWN:
            raise
        raise Unauthorized(provider_code=refused.provider_code) from None
