"""What is a Twilio account known by, and what may be expected of Twilio: its pace, its receipts, its patience?"""

from datetime import timedelta

from channels.channel import Capabilities, CredentialField
from channels.rates import Rate, Rates

# https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides: 15 s for all that it tries, and off the
# shelf it tries nothing after an answer. What is left is for the way and for the body.
WAITS_ONCE = timedelta(seconds=12)

FIELDS = (
    CredentialField(
        name="account_sid",
        environment="TWILIO_ACCOUNT_SID",
        secret=False,
        required=True,
        description="Account SID (AC…) from the Twilio console.",
    ),
    CredentialField(
        name="auth_token",
        environment="TWILIO_AUTH_TOKEN",
        secret=True,
        required=True,
        description="Primary auth token; signs webhooks and sends messages. API keys do not verify webhooks.",
        verifies=True,
    ),
    CredentialField(
        name="auth_token_secondary",
        environment="",
        secret=True,
        required=False,
        description="Secondary auth token, accepted on webhooks too while the primary is rotated.",
    ),
)


def able(rate: Rate) -> Capabilities:
    """The callback's URL carries our id, and a webhook that is refused is not brought again. The rate is the sender's:
    Twilio queues what is faster, and drops what waited longer than ValidityPeriod."""
    return Capabilities(
        receipts=True, reconciles=True, templates=True, rates=Rates(account=rate), waits_once=WAITS_ONCE
    )
