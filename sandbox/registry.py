"""Which providers have a stand-in? One line each; the phones, the credentials and the base URLs follow from it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sandbox.provider import Account, Draw, Provider
from sandbox.providers import discord, instagram, line, slack, telegram, twilio, whatsapp_cloud


@dataclass(frozen=True, slots=True)
class StandIn:
    """How one is made, and what its made-up account says in the environment."""

    made_up: Callable[[Draw], Mapping[str, str]]
    build: Callable[[Account], Provider]


STAND_INS: tuple[StandIn, ...] = (
    StandIn(twilio.made_up, twilio.Twilio),
    StandIn(telegram.made_up, telegram.Telegram),
    StandIn(whatsapp_cloud.made_up, whatsapp_cloud.WhatsAppCloud),
    StandIn(instagram.made_up, instagram.Instagram),
    StandIn(slack.made_up, slack.Slack),
    StandIn(discord.made_up, discord.Discord),
    StandIn(line.made_up, line.Line),
)
