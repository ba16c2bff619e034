"""Which channels can be asked about an account? One line each; one that is missing here cannot be checked."""

from channels.discord_setup import DiscordSetup
from channels.line_setup import LineSetup
from channels.meta_setup import for_instagram, for_whatsapp
from channels.setup import Setup
from channels.slack_setup import SlackSetup
from channels.telegram_setup import TelegramSetup
from channels.twilio_setup import sms, whatsapp

SETUPS: dict[str, Setup] = {
    "discord": DiscordSetup(),
    "instagram": for_instagram(),
    "line": LineSetup(),
    "slack": SlackSetup(),
    "sms": sms(),
    "telegram": TelegramSetup(),
    "whatsapp": whatsapp(),
    "whatsapp_cloud": for_whatsapp(),
}
