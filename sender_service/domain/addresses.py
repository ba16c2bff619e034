"""Where are providers called, and where are they to post their receipts?"""

from collections.abc import Mapping
from dataclasses import dataclass

from channels.channel import Channel
from parley.storage.v1.directory_pb2 import ChannelAccount


@dataclass(frozen=True, slots=True)
class Addresses:
    """What the operator said of the world outside."""

    public_base_url: str  # "" when providers cannot reach us: then no receipts are asked for
    api_base_urls: Mapping[str, str]  # by provider, where another one stands in

    def status_url(self, account: ChannelAccount, channel: Channel) -> str:
        """Where the gateway takes this account's receipts; the channel adds our id of the part. "" asks for none."""
        if not self.public_base_url or not channel.capabilities.receipts:
            return ""
        base = self.public_base_url.rstrip("/")
        return f"{base}/webhook/{channel.name}/{account.account_key}/status"

    def api_base_url(self, channel: Channel) -> str:
        """What stands in for the provider's own API; "" for none."""
        return self.api_base_urls.get(channel.provider, "")
