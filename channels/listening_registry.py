"""On which channels can a provider be listened to? One line each; on the others it must call us."""

from channels.discord_gateway import DiscordGateway
from channels.listening import Listening
from channels.telegram_polling import TelegramPolling

LISTENING: dict[str, Listening] = {
    "discord": DiscordGateway(),
    "telegram": TelegramPolling(),
}
