"""Did Slack sign this webhook, and just now? Their own verifier, inside what it does not guard against.

https://docs.slack.dev/authentication/verifying-requests-from-slack/
"""

import re

from slack_sdk.signature import Clock, SignatureVerifier

from channels.channel import BadSignature, Credentials, Stale, Webhook
from channels.proof import Unsigned

TIMESTAMP = "x-slack-request-timestamp"
SIGNATURE = "x-slack-signature"
FRESH_SECONDS = 300  # on either side: a stamp from the future is as wrong as an old one
_STAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_PROOF = re.compile(r"v0=[0-9a-f]{64}", re.ASCII)


class _Stopped(Clock):
    """A clock that shows the time that was signed: whether that is now is asked afterwards, of our own clock."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds

    def now(self) -> float:
        """The time."""
        return self._seconds


def verify(webhook: Webhook, credentials: Credentials) -> None:
    """Raises BadSignature unless the app's secret signed this body, Stale when that was not within five minutes."""
    secret = credentials.get("signing_secret", "")
    stamp, proof = webhook.headers.get(TIMESTAMP, ""), webhook.headers.get(SIGNATURE, "")
    if not proof:
        raise Unsigned(SIGNATURE)
    # The verifier raises on a stamp that is no number and on a signature that is not ASCII.
    if not secret or not _STAMP.fullmatch(stamp) or not _PROOF.fullmatch(proof):
        raise BadSignature
    try:
        signed = SignatureVerifier(secret, _Stopped(int(stamp))).is_valid(webhook.body, stamp, proof)
    except UnicodeError:  # it reads the body as UTF-8, which all of Slack's are
        raise BadSignature from None
    if not signed:
        raise BadSignature
    if abs(webhook.received_at.timestamp() - int(stamp)) > FRESH_SECONDS:
        raise Stale


def sign(body: bytes, *, secret: str, at: int) -> dict[str, str]:
    """The headers with which Slack would prove this body. Raises ValueError when the secret is empty."""
    stamp = str(at)
    proof = SignatureVerifier(secret).generate_signature(timestamp=stamp, body=body)
    return {TIMESTAMP: stamp, SIGNATURE: proof or ""}
