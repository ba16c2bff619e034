"""Is this webhook Twilio's? Their own validator, inside what it does not guard against.

https://www.twilio.com/docs/usage/security#validating-requests
"""

import hmac
import re
from collections.abc import Iterator
from hashlib import sha256

from twilio.request_validator import RequestValidator

from channels.channel import BadSignature, Credentials, Unreadable, Webhook
from channels.payload import Form, parse_form
from channels.proof import Unsigned

FORM_TYPE = "application/x-www-form-urlencoded"
HEADER = "x-twilio-signature"
TOKENS = ("auth_token", "auth_token_secondary")
_ORIGIN = re.compile(r"(https?)(://(?:[^/?#@]*@)?(?:\[[^\]/?#]*\]|[^/?#:\[\]]*))(?::([0-9]*))?(?=[/?]|$)", re.ASCII)
_BODY_HASH = re.compile(r"[?&]bodySHA256=([0-9a-fA-F]{64})(?:&|$)", re.ASCII)
_DEFAULT_PORTS = {"https": "443", "http": "80"}


def verify(webhook: Webhook, credentials: Credentials) -> None:
    """Raises BadSignature unless one of the account's tokens signed exactly this URL and body."""
    signature = webhook.headers.get(HEADER, "").encode("latin-1")
    if not signature:
        raise Unsigned(HEADER)
    form = _signed_form(webhook)
    for name in TOKENS:  # two while a token is rotated
        token = credentials.get(name, "")
        if token and _signed(webhook.url, form, token=token, signature=signature):
            return
    raise BadSignature


def sign(url: str, form: Form, *, token: str) -> str:
    """The signature that Twilio would send."""
    return str(RequestValidator(token).compute_signature(url, form))


def _signed_form(webhook: Webhook) -> Form:
    """The signed fields. A body that is no form is signed by its hash in the URL, and only so."""
    if webhook.headers.get("content-type", "").lower().startswith(FORM_TYPE):
        try:
            form = webhook.parsed["form"] = parse_form(webhook.body)
        except Unreadable:
            raise BadSignature from None
        return form
    stated = _BODY_HASH.search(webhook.url)
    digest = sha256(webhook.body).hexdigest()
    # The validator skips this check when it is given a dict: https://github.com/twilio/twilio-python
    if not stated or not hmac.compare_digest(stated[1].lower().encode(), digest.encode()):
        raise BadSignature("no body hash")
    return Form()


def _signed(url: str, form: Form, *, token: str, signature: bytes) -> bool:
    """Compares bytes: on non-ASCII text compare_digest raises, and the validator's own compare takes varying time."""
    compute = RequestValidator(token).compute_signature
    return any(hmac.compare_digest(compute(form_of_url, form).encode(), signature) for form_of_url in _port_forms(url))


def _port_forms(url: str) -> Iterator[str]:
    """The URL as it was requested, without a port, and with one: Twilio signs any of them.

    The validator's own rewriting mangles user:password@ and IPv6 hosts, and drops a bare trailing "?".
    """
    yield url
    origin = _ORIGIN.match(url)
    if not origin:
        return
    rest = url[origin.end() :]
    scheme, host, port = origin.groups()
    if port is None:
        yield f"{scheme}{host}:{_DEFAULT_PORTS[scheme]}{rest}"
    else:
        yield f"{scheme}{host}{rest}"
