"""Which channels can be asked about an account? One line each; one that is missing here cannot be checked."""

from channels.setup import Setup
from channels.telegram_setup import TelegramSetup
from channels.twilio_setup import sms, whatsapp

SETUPS: dict[str, Setup] = {
    "sms": sms(),
    "telegram": TelegramSetup(),
    "whatsapp": whatsapp(),
}
