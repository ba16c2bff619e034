"""Would a webhook be believed, if one thing were different? Runs a channel's own check; whatever it raises is a no."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from channels.channel import BadSignature, Channel, Credentials, Imitation, Stale, Webhook
from gateway.domain.inspection.arrivals import Arrival

_AROUND = " \t\r\n\"'`"
_MINUTES = range(5, 24 * 60 + 6, 5)


def verifies(channel: Channel, webhook: Webhook, *, credentials: Credentials, url: str = "") -> bool:
    """Whether the signature is right, however old; over that URL, if one is given."""
    if any(each.verifies and each.name not in credentials for each in channel.credential_fields):
        return False
    try:
        channel.authenticate(replace(webhook, url=url or webhook.url), credentials)
    except Stale:
        return True
    except Exception:  # official verifiers raise all sorts on hostile headers
        return False
    return True


def cleaned(channel: Channel, webhook: Webhook, *, credentials: Credentials) -> str:
    """The credential without which it fails for the quotes or spaces around it; "" when there is none."""
    for name, value in credentials.items():
        bare = value.strip(_AROUND)
        if bare and bare != value and verifies(channel, webhook, credentials=Credentials({**credentials, name: bare})):
            return name
    return ""


def covers_url(channel: Channel, webhook: Webhook, *, credentials: Credentials) -> bool:
    """Whether the provider signs the URL, too: a webhook of our own making is believed at its own and at no other."""
    asked = Imitation("x", "15550001234", "", webhook.url, "SM" + "0" * 32, webhook.received_at)
    try:
        own = channel.imitate(asked, credentials)
    except Exception:  # these credentials cannot sign
        return False
    return verifies(channel, own, credentials=credentials) and not verifies(
        channel, own, credentials=credentials, url=f"{own.url}/other"
    )


def how_stale(channel: Channel, arrival: Arrival) -> str:
    """How far the time that was signed is from ours, about, and in which direction."""
    credentials = arrival.account.known.credentials if arrival.account else Credentials({})
    for minutes in _MINUTES:
        for direction, said in ((-1, "before"), (1, "after")):
            moved = arrival.webhook.received_at + timedelta(minutes=direction * minutes)
            with suppress(Stale, BadSignature):
                channel.authenticate(replace(arrival.webhook, received_at=moved), credentials)
                return f"rightly signed, but at a time that is some {_span(minutes)} {said} ours"
    return "rightly signed, but more than a day from our time"


def _span(minutes: int) -> str:
    return f"{minutes} minutes" if minutes < 120 else f"{round(minutes / 60)} hours"
