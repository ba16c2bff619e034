"""What may an operator set about sending?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from channels.registry import CHANNELS
from kit.proxies import OutwardSettings
from kit.settings import SettingRow, extended

API_BASE_URL = "_api_base_url"


class _Settings(OutwardSettings):
    """Everything the sender reads."""

    also_known: ClassVar[tuple[str, ...]] = ()

    sender_concurrency: int = Field(256, ge=1, le=256, description="Deliveries that one sender carries at once")
    sender_lease_seconds: float = Field(
        60.0,
        ge=1,
        le=600,
        description="How long a delivery is a sender's own without a sign of life, in seconds; calls end well before",
    )
    sender_wait_seconds: float = Field(
        20.0, ge=0, le=60, description="How long one call to storage waits for deliveries, in seconds"
    )
    sender_max_attempts: int = Field(
        5,
        ge=1,
        le=100,
        description="Calls for one part that fail while others come through, before the reply becomes a dead letter",
    )
    sender_give_up_seconds: float = Field(
        86_400.0,
        ge=1,
        le=2_592_000,
        description="How long a reply waits for a provider that is down or too busy before it becomes a dead letter, "
        "in seconds since it was queued",
    )
    sender_paced: bool = Field(
        True,
        description="Whether providers' limits are kept and accounts wait whose provider fails. false: for a stand-in "
        "that has no limits",
    )
    sender_tenant_per_second: float = Field(
        0.0,
        ge=0,
        le=100_000,
        description="Messages that each tenant may send per second over all its accounts and all senders. 0: no limit",
    )
    sender_drain_seconds: float = Field(
        15.0, ge=0, description="How long calls under way may still take when the sender stops, in seconds"
    )
    media_max_bytes: int = Field(
        16_777_216, ge=1024, le=134_217_728, description="Largest attachment that is fetched, in bytes"
    )
    media_fetch_seconds: float = Field(
        20.0, gt=0, le=300, description="How long one try to fetch an attachment may take, in seconds"
    )
    media_concurrency: int = Field(8, ge=1, le=64, description="Attachments that one sender fetches at once")
    media_max_attempts: int = Field(3, ge=1, le=5, description="Tries to fetch an attachment before it is unavailable")
    public_base_url: str = Field(
        "", description="URL at which providers reach the gateway, for example https://chat.example.com"
    )
    twilio_api_base_url: str = Field("", description="Stands in for https://api.twilio.com, for a sandbox or a proxy")
    telegram_api_base_url: str = Field(
        "", description="Stands in for https://api.telegram.org, for a sandbox or an own Bot API server"
    )
    discord_api_base_url: str = Field(
        "", description="Stands in for https://discord.com/api/v10, for a sandbox or a proxy"
    )
    slack_api_base_url: str = Field("", description="Stands in for https://slack.com/api, for a sandbox or a proxy")
    whatsapp_api_base_url: str = Field(
        "", description="Stands in for https://graph.facebook.com, for a sandbox or a proxy"
    )
    instagram_api_base_url: str = Field(
        "", description="Stands in for https://graph.instagram.com, for a sandbox or a proxy"
    )

    def api_base_urls(self) -> dict[str, str]:
        """What stands in for a provider's API, by provider."""
        names = (name for name in type(self).model_fields if name.endswith(API_BASE_URL))
        return {name.removesuffix(API_BASE_URL): getattr(self, name) for name in names}


def _stand_ins() -> Iterator[SettingRow]:
    """One for each provider of the registry: who adds a channel names it nowhere else."""
    for provider in sorted({each.provider for each in CHANNELS.values() if each.provider}):
        what = f"Stands in for the API of the provider {provider}, for a sandbox or a proxy"
        yield SettingRow(f"{provider}{API_BASE_URL}".upper(), "", what, secret=False)


if TYPE_CHECKING:
    Settings = _Settings
else:
    Settings = extended(_Settings, _stand_ins(), name="Settings")
