"""What may an operator set of the gateway: where it listens, what it bears, and the accounts of the first tenant."""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from channels.registry import CHANNELS
from gateway.domain import given
from kit.proxies import OutwardSettings
from kit.settings import SettingRow, extended

API_BASE_URL = "_api_base_url"


class _Settings(OutwardSettings):
    """The gateway's settings."""

    http_host: str = Field("127.0.0.1", description="Address that the gateway listens on")
    http_port: int = Field(8080, ge=0, le=65535, description="Port that the gateway listens on. 0: any free one")
    public_base_url: str = Field(
        "", description="How providers reach the gateway, for example https://chat.example.com. Empty: as requested"
    )
    http_max_body_bytes: int = Field(
        262_144, ge=1024, le=4_194_304, description="Largest request body, in bytes; webhooks of Meta may have 3 MB"
    )
    http_receive_seconds: float = Field(
        8.0, gt=0, le=120, description="How long a request may take to come in, headers and body, in seconds"
    )
    http_keep_alive_seconds: int = Field(
        75,
        ge=1,
        le=3600,
        description="How long a connection without a request is kept, in seconds: longer than a proxy in front keeps "
        "it, or one closes as it is used, and the client gets a 502",
    )
    http_drain_seconds: int = Field(
        10, ge=0, le=600, description="How long requests under way may take to end when the gateway stops, in seconds"
    )
    http_trusted_proxies: str = Field(
        "", description="Networks whose X-Forwarded-* headers count, separated by commas. Empty: none"
    )
    webhook_inspector: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Keeps the webhooks of the last hour in memory, for parley listen and the page /inspector. "
        "auto: under parley up, while HTTP_HOST is this machine alone",
    )
    accept_patience_seconds: float = Field(
        2.5,
        gt=0,
        le=14,
        description="How long a webhook waits for storage before it is answered 503, in seconds. Twilio never comes "
        "again, so its webhooks wait for 12",
    )

    listener_max_accounts: int = Field(
        100, ge=0, le=500, description="Accounts that one gateway listens for at providers that do not call. 0: none"
    )
    listener_lease_seconds: float = Field(
        15.0, ge=1, le=600, description="After how long another gateway listens in the place of one that died, seconds"
    )
    discord_api_base_url: str = Field(
        "", description="Stands in for https://discord.com/api/v10, for a sandbox or a proxy"
    )
    telegram_api_base_url: str = Field(
        "", description="Stands in for https://api.telegram.org, for a sandbox or an own Bot API server"
    )

    chat_messages_per_minute: int = Field(30, ge=1, description="Messages that one web chat session may send a minute")
    chat_sessions_per_minute: int = Field(30, ge=1, description="Web chat sessions that one address may begin a minute")
    chat_max_streams: int = Field(2000, ge=1, description="Web chat pages that may be connected at once")
    chat_stream_seconds: int = Field(
        900, ge=1, le=86_400, description="After how long a page is asked to connect again, in seconds"
    )

    twilio_account_sid: str = Field("", description="Twilio account of the tenant default, AC…")
    twilio_auth_token: SecretStr = Field(SecretStr(""), description="Its primary auth token")
    twilio_phone_number: str = Field("", description="Its number for SMS, for example +14155238886")
    twilio_whatsapp_number: str = Field("", description="Its number for WhatsApp, for example whatsapp:+14155238886")
    telegram_bot_token: SecretStr = Field(SecretStr(""), description="Telegram bot of the tenant default, 123456:ABC…")
    telegram_webhook_secret: SecretStr = Field(
        SecretStr(""), description="The secret_token that was given to setWebhook for that bot"
    )
    discord_bot_token: SecretStr = Field(SecretStr(""), description="Discord bot of the tenant default, its token")
    discord_public_key: str = Field("", description="Public key of its application, 64 hexadecimal digits")
    discord_test_private_key: SecretStr = Field(
        SecretStr(""), description="Private half of a public key of your own, with which parley send plays Discord"
    )
    slack_bot_token: SecretStr = Field(SecretStr(""), description="Slack app of the tenant default, xoxb-…")
    slack_signing_secret: SecretStr = Field(SecretStr(""), description="The signing secret of that app")

    meta_app_secret: SecretStr = Field(
        SecretStr(""), description="App secret of the Meta app of WhatsApp Cloud and Instagram; signs their webhooks"
    )
    meta_verify_token: SecretStr = Field(
        SecretStr(""), description="Any long random text; the same is entered at Meta beside the webhook's URL"
    )
    whatsapp_access_token: SecretStr = Field(
        SecretStr(""), description="Permanent access token of a system user, for WhatsApp Cloud"
    )
    whatsapp_phone_number_id: str = Field(
        "", description="Meta's id of the number for WhatsApp Cloud, for example 106540352242922; not the number"
    )
    instagram_app_secret: SecretStr = Field(
        SecretStr(""),
        description="Instagram app secret, where it is not META_APP_SECRET; signs webhooks, too",
    )
    instagram_access_token: SecretStr = Field(
        SecretStr(""), description="Access token of the Instagram professional account; it lasts 60 days"
    )
    instagram_account_id: str = Field(
        "", description="Its id as webhooks name it, for example 17841400000000001; not the user name"
    )

    @field_validator("public_base_url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment):
            raise ValueError("must be http://… or https://…, without a query")
        return value.rstrip("/")

    @field_validator("http_trusted_proxies")
    @classmethod
    def _check_proxies(cls, value: str) -> str:
        _networks(value)
        return value

    @model_validator(mode="after")
    def _check_accounts(self) -> "Settings":
        self.given_accounts()
        return self

    def trusted_proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of trusted proxies."""
        return _networks(self.http_trusted_proxies)

    def given_accounts(self) -> tuple[given.GivenAccount, ...]:
        """The accounts that the environment gives to the tenant `default`."""
        channels = tuple(CHANNELS.values())
        return given.accounts({name: self._value(name) for name in given.variables(channels)}, channels)

    def api_base_urls(self) -> dict[str, str]:
        """What stands in for the API of a provider that is listened to, by provider."""
        names = (name for name in type(self).model_fields if name.endswith(API_BASE_URL))
        return {name.removesuffix(API_BASE_URL): getattr(self, name) for name in names}

    def _value(self, variable: str) -> str:
        value = getattr(self, variable.lower(), "")
        # A blank secret is none: an official validator takes forgeries for good when its token is empty.
        return (value.get_secret_value() if isinstance(value, SecretStr) else str(value)).strip()


def _accounts() -> Iterator[SettingRow]:
    """What each channel of the registry says that an account needs: who adds a channel names it nowhere else."""
    for channel in CHANNELS.values():
        if channel.address_environment:
            yield SettingRow(channel.address_environment, "", f"Address of the account of {channel.name}", secret=False)
        for each in channel.credential_fields:
            if each.environment:
                yield SettingRow(each.environment, "", each.description, secret=each.secret)


def _networks(value: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(each.strip(), strict=False) for each in value.split(",") if each.strip())


if TYPE_CHECKING:
    Settings = _Settings
else:
    Settings = extended(_Settings, _accounts(), name="Settings")
