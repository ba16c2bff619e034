"""Which channel accounts are there? DirectoryService, as far as the gateway needs it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import grpc

from gateway.backends.failures import why
from kit import errors, logs
from kit.ids import new_id
from parley.storage.v1 import account_health_pb2, directory_pb2, directory_service_pb2, directory_service_pb2_grpc

DEFAULT_TENANT = "default"
MOST_A_PAGE = 500
CLOSED = "Not available at the moment; whoever runs it has to mend it"
UNREADABLE_AGAIN = timedelta(seconds=30)
LOST_KEY = (
    "give SECRET_KEYS the key that it was sealed with, or, with its credentials: "
    "parley channels add {channel} --address {address}"
)

log = logs.get("gateway")


class Directory:
    """DirectoryService, for webhooks and for the accounts that the environment gives."""

    def __init__(self, channel: grpc.aio.Channel, *, timeout: timedelta) -> None:
        self._stub = directory_service_pb2_grpc.DirectoryServiceStub(channel)
        self._timeout = timeout.total_seconds()
        self._unreadable: set[str] = set()  # ids of accounts that the log has named

    async def resolve(self, channel: str, account_key: str) -> directory_pb2.AccountSecrets:
        """The account of a webhook's URL, with its credentials. Raises NotFound, and SecretUnreadable."""
        request = directory_service_pb2.ResolveChannelAccountRequest(channel=channel, account_key=account_key)
        try:
            response = await self._stub.ResolveChannelAccount(request, timeout=self._timeout, wait_for_ready=True)
        except grpc.aio.AioRpcError as failure:
            error = why(failure)
            raise self._told(channel, error) if isinstance(error, errors.SecretUnreadable) else error from None
        self._unreadable.discard(response.account.account.id)
        return response.account

    async def accounts(self, channel: str, tenant_id: str = DEFAULT_TENANT) -> Sequence[directory_pb2.ChannelAccount]:
        """A tenant's accounts of a channel, all of them, without credentials."""
        request = directory_service_pb2.ListChannelAccountsRequest(
            tenant_id=tenant_id, channel=channel, page_size=MOST_A_PAGE
        )
        found: list[directory_pb2.ChannelAccount] = []
        while True:
            try:
                page = await self._stub.ListChannelAccounts(request, timeout=self._timeout)
            except grpc.aio.AioRpcError as failure:
                raise why(failure) from None
            found += page.accounts
            if not page.next_page_token:
                return found
            request.page_token = page.next_page_token

    async def report(self, reports: Sequence[account_health_pb2.AccountReport]) -> None:
        """Notes how accounts stand."""
        request = account_health_pb2.ReportAccountsRequest(reports=reports)
        try:
            await self._stub.ReportAccounts(request, timeout=self._timeout)
        except grpc.aio.AioRpcError as failure:
            raise why(failure) from None

    async def put(self, account: directory_pb2.ChannelAccount, credentials: Mapping[str, str]) -> None:
        """Makes the account, or changes the one with the same channel and address."""
        # A fresh request id each time: a secret that went from A to B and back to A must be written again.
        request = directory_service_pb2.PutChannelAccountRequest(
            tenant_id=DEFAULT_TENANT, request_id=new_id(), account=account, credentials=credentials
        )
        try:
            await self._stub.PutChannelAccount(request, timeout=self._timeout)
        except grpc.aio.AioRpcError as failure:
            raise why(failure) from None

    def _told(self, channel: str, error: errors.SecretUnreadable) -> errors.SecretUnreadable:
        """The log says once what mends it; whoever knocks learns no more than that it is not now."""
        account, address = error.metadata.get("account_id", ""), error.metadata.get("address", "ADDRESS")
        if account not in self._unreadable:
            self._unreadable.add(account)
            tenant, fix = error.metadata.get("tenant_id", ""), LOST_KEY.format(channel=channel, address=address)
            log.error("account.unreadable", channel=channel, tenant=tenant, account=account, reason=error.name, fix=fix)
        return errors.SecretUnreadable(CLOSED, retry_after=UNREADABLE_AGAIN, metadata=error.metadata)
