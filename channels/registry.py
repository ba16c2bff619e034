"""Which channels are there? One line each; the URL, the settings, the tests and the metrics follow from the name."""

from channels.api import Api
from channels.channel import Channel
from channels.discord import Discord
from channels.instagram import Instagram
from channels.line import Line
from channels.slack import Slack
from channels.sms import sms
from channels.telegram import Telegram
from channels.webchat import Webchat
from channels.whatsapp import whatsapp
from channels.whatsapp_cloud import WhatsAppCloud

_ALL: tuple[Channel, ...] = (
    Api(),
    Discord(),
    Slack(),
    Instagram(),
    Line(),
    sms(),
    Telegram(),
    Webchat(),
    whatsapp(),
    WhatsAppCloud(),
)
CHANNELS: dict[str, Channel] = {each.name: each for each in _ALL}


class UnknownChannel(LookupError):
    """There is no channel of that name."""


def channel(name: str) -> Channel:
    """The channel of that name. Raises UnknownChannel."""
    try:
        return CHANNELS[name]
    except KeyError:
        raise UnknownChannel(name) from None
