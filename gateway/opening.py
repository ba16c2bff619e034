"""What must be there before the gateway is ready? Storage that answers, and the accounts of the first tenant."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence

from channels.addressing import Counted
from channels.channel import Channel, Credentials
from channels.host import BOT_NAME, COUNTED_BY
from channels.registry import CHANNELS
from gateway.backends.directory import DEFAULT_TENANT, Directory
from gateway.backends.neighbours import Neighbours
from gateway.domain.given import GivenAccount
from kit import errors, logs
from kit.lifetime import Lifetime
from parley.storage.v1 import directory_pb2

AGAIN_SECONDS = 0.5
WEBCHAT_ADDRESS = "web"

log = logs.get("gateway")


class Opening:
    """Prepares the tenant `default` until it is done; start order does not matter."""

    def __init__(self, directory: Directory, neighbours: Neighbours, *, given: Sequence[GivenAccount]) -> None:
        self._directory = directory
        self._neighbours = neighbours
        self._given = list(given)
        self._waiting_for = ""

    async def open(self, lifetime: Lifetime) -> None:
        """Returns when the gateway is ready."""
        prepared = False
        while True:
            prepared = prepared or await self._prepared()
            if prepared and await self._neighbours.can_accept():
                break
            await asyncio.sleep(AGAIN_SECONDS)
        lifetime.ready("gateway")
        log.info("service.ready", service="gateway")

    async def _prepared(self) -> bool:
        try:
            while self._given:
                await self._put(self._given[0])
                del self._given[0]
            await self._ensure_webchat()
        except errors.ParleyError as error:
            if error.name != self._waiting_for:
                self._waiting_for = error.name
                log.info("accounts.waiting", reason=error.name)
            return False
        return True

    async def _put(self, given: GivenAccount) -> None:
        """What else an operator has set on the account stays as it is."""
        account = await self._existing(given.channel, given.address)
        if account is None:
            account = directory_pb2.ChannelAccount(
                tenant_id=DEFAULT_TENANT, channel=given.channel, address=given.address, name=given.channel
            )
        elif counted_by := await self._successor(account, given):
            account.options[COUNTED_BY] = counted_by
            account.options.pop(BOT_NAME, None)  # that one's, and nobody has asked for the new one's
        account.formatting = account.formatting or CHANNELS[given.channel].formatting
        await self._directory.put(account, given.credentials)
        log.info("account.given", channel=given.channel, tenant=DEFAULT_TENANT)

    async def _successor(self, account: directory_pb2.ChannelAccount, given: GivenAccount) -> str:
        """Who counts the messages from now on, such as another bot: the first ones would be taken for those of the one
        before. "" while it is the same."""
        channel = CHANNELS[given.channel]
        if not isinstance(channel, Counted):
            return ""
        try:
            known = await self._directory.resolve(given.channel, account.account_key)
        except (errors.SecretUnreadable, errors.NotFound):
            return ""  # nobody knows who it was
        before = channel.counted_by(Credentials(dict(known.credentials)))
        now = channel.counted_by(Credentials(given.credentials))
        return now if before and now != before else ""

    async def _ensure_webchat(self) -> None:
        """The page works off the shelf: its account, and the key that signs its sessions, are made when missing. One
        that cannot be opened waits for its operator, who may have the key; the other channels do not."""
        channel = CHANNELS["webchat"]
        account = await self._existing(channel.name, WEBCHAT_ADDRESS)
        if account is None:
            await self._put(GivenAccount(channel.name, WEBCHAT_ADDRESS, _generated(channel, {})))
            return
        try:
            known = await self._directory.resolve(channel.name, account.account_key)
        except errors.SecretUnreadable:
            return  # the directory has said what mends it
        missing = _generated(channel, known.credentials)
        if missing or not account.formatting:
            account.formatting = account.formatting or channel.formatting
            await self._directory.put(account, {**known.credentials, **missing})

    async def _existing(self, channel: str, address: str) -> directory_pb2.ChannelAccount | None:
        accounts = await self._directory.accounts(channel)
        return next((account for account in accounts if account.address == address), None)


def _generated(channel: Channel, known: Mapping[str, str]) -> dict[str, str]:
    fields = (field for field in channel.credential_fields if field.generated and not known.get(field.name))
    return {field.name: secrets.token_urlsafe(48) for field in fields}
