"""A storage on loopback that keeps the contract's promises in memory, so that the gateway is tested by itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

from kit import errors
from kit.ids import new_id
from kit.moments import stamp, utc_now
from kit.serving import Server
from kit.settings import Settings
from parley.chat.v1 import message_pb2 as chat
from parley.storage.v1 import (
    account_health_pb2,
    conversation_pb2,
    conversation_service_pb2,
    conversation_service_pb2_grpc,
    directory_pb2,
    directory_service_pb2,
    directory_service_pb2_grpc,
    inbox_service_pb2,
    inbox_service_pb2_grpc,
)

Place = tuple[str, str]


class Peer:
    """Its rows, and the switches by which a test breaks it."""

    def __init__(self) -> None:
        self.accounts: dict[str, directory_pb2.AccountSecrets] = {}
        self.submissions: list[inbox_service_pb2.Submission] = []
        self.conversations: dict[Place, str] = {}
        self.messages: dict[str, list[chat.Message]] = {}
        self.erased: set[str] = set()  # what clients called messages that are gone with who wrote them
        self.thinking: set[str] = set()
        self.drafts: dict[str, str] = {}
        self.signs_of_life = 0
        self.frames: list[int] = []
        self.resolved = 0
        self.reports: list[account_health_pb2.AccountReport] = []
        self.most_a_page = 500
        self.sealed: set[str] = set()  # the keys of accounts whose credentials nobody can open
        self.away = False
        self.knows_us = True  # by the mesh's token
        self.full = False
        self.full_accounts: set[str] = set()
        self.hold = asyncio.Event()
        self.hold.set()
        self.changed = asyncio.Condition()
        self.answer: Callable[[str], str] | None = None

    def check(self) -> None:
        """Fails as a storage fails that cannot write, that has too much already, or that takes us for a stranger."""
        if self.away:
            raise errors.StorageUnavailable(retry_after=timedelta(seconds=1))
        if not self.knows_us:
            raise errors.CredentialMissing
        if self.full:
            raise errors.QueueFull(retry_after=timedelta(seconds=5))

    def add_account(
        self, channel: str, address: str, *, credentials: dict[str, str], key: str = "", tenant_id: str = "default"
    ) -> str:
        """An account of the tenant default; gives its key."""
        key = key or f"{channel}-key"
        account = directory_pb2.ChannelAccount(
            id=new_id(), tenant_id=tenant_id, channel=channel, account_key=key, address=address
        )
        self.accounts[f"{channel}/{address}"] = directory_pb2.AccountSecrets(account=account, credentials=credentials)
        return key

    def texts(self) -> list[str]:
        """Everything that was stored of what came in."""
        return [each.text for rows in self.messages.values() for each in rows if each.role == chat.ROLE_CONTACT]

    async def say(
        self, conversation_id: str, role: chat.Role, text: str, provider_id: str = "", *files: chat.Attachment
    ) -> chat.Message:
        """One more message, at the next place."""
        async with self.changed:
            rows = self.messages.setdefault(conversation_id, [])
            row = chat.Message(
                id=new_id(), seq=len(rows) + 1, role=role, text=text, created_at=stamp(utc_now()),
                provider_message_id=provider_id, conversation_id=conversation_id, attachments=files,
            )  # fmt: skip
            rows.append(row)
            self.drafts.pop(conversation_id, None)
            self.changed.notify_all()
        return row

    async def erase(self) -> None:
        """All contacts are erased: what they say from now on is another conversation."""
        async with self.changed:
            self.conversations.clear()
            self.changed.notify_all()

    async def think(self, conversation_id: str, thinking: bool) -> None:
        """The agent begins, or ends, to think."""
        async with self.changed:
            (self.thinking.add if thinking else self.thinking.discard)(conversation_id)
            self.changed.notify_all()

    async def live(self) -> None:
        """Streams show that they are alive."""
        async with self.changed:
            self.signs_of_life += 1
            self.changed.notify_all()

    async def draft(self, conversation_id: str, text: str) -> None:
        """What the agent has written so far."""
        async with self.changed:
            self.drafts[conversation_id] = text
            self.changed.notify_all()


class Partial:
    """Serves some rpcs of a service; whoever calls another one is told."""

    def __getattr__(self, name: str) -> Callable[[object, object], Awaitable[object]]:
        async def refused(_request: object, _context: object) -> object:
            raise errors.StateConflict(f"{name} is not served here")

        return refused


class Inbox(Partial):
    """InboxService."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._answers: set[asyncio.Task[None]] = set()

    async def Accept(  # noqa: N802
        self, request: inbox_service_pb2.AcceptRequest, _context: object
    ) -> inbox_service_pb2.AcceptResponse:
        await self._peer.hold.wait()
        self._peer.check()
        self._peer.frames.append(len(request.submissions))
        return inbox_service_pb2.AcceptResponse(results=[await self._result(each) for each in request.submissions])

    async def _result(self, submission: inbox_service_pb2.Submission) -> inbox_service_pb2.SubmissionResult:
        if submission.account_id in self._peer.full_accounts:
            return inbox_service_pb2.SubmissionResult(error=errors.as_item(errors.QueueFull()))
        return await self._accept(submission)

    async def _accept(self, submission: inbox_service_pb2.Submission) -> inbox_service_pb2.SubmissionResult:
        self._peer.submissions.append(submission)
        messages = [await self._store(each) for each in submission.messages]
        return inbox_service_pb2.SubmissionResult(messages=messages)

    async def _store(self, message: chat.ChannelMessage) -> inbox_service_pb2.AcceptedMessage:
        place = (message.account_id, message.chat_id)
        if message.provider_message_id in self._peer.erased:
            return inbox_service_pb2.AcceptedMessage(duplicate=True)
        conversation_id = self._peer.conversations.setdefault(place, new_id())
        for row in self._peer.messages.get(conversation_id, []):
            if row.provider_message_id == message.provider_message_id:
                return _accepted(row, duplicate=True, differs=row.text != message.text)
        row = await self._peer.say(conversation_id, chat.ROLE_CONTACT, message.text, message.provider_message_id)
        if self._peer.answer is not None:
            task = asyncio.create_task(self._answer(conversation_id, self._peer.answer(message.text)))
            self._answers.add(task)
            task.add_done_callback(self._answers.discard)
        return _accepted(row)

    async def _answer(self, conversation_id: str, text: str) -> None:
        await self._peer.think(conversation_id, True)
        await asyncio.sleep(0.3)
        await self._peer.say(conversation_id, chat.ROLE_AGENT, text)
        await self._peer.think(conversation_id, False)


class Directory(Partial):
    """DirectoryService, three rpcs of it."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def ResolveChannelAccount(  # noqa: N802
        self, request: directory_service_pb2.ResolveChannelAccountRequest, _context: object
    ) -> directory_service_pb2.ResolveChannelAccountResponse:
        self._peer.check()
        self._peer.resolved += 1
        found = [each for each in self._peer.accounts.values() if each.account.channel == request.channel]
        found = [each for each in found if request.account_key in {"", each.account.account_key}]
        if len(found) != 1:
            raise errors.NotFound(metadata={"resource": "account"})
        account = found[0].account
        if account.state == directory_pb2.ACCOUNT_STATE_DISABLED:
            raise errors.NotFound(metadata={"resource": "account", "tenant_id": account.tenant_id})
        if account.account_key in self._peer.sealed:
            named = {"tenant_id": account.tenant_id, "account_id": account.id, "address": account.address}
            raise errors.SecretUnreadable("the key that sealed this secret is not in SECRET_KEYS", metadata=named)
        return directory_service_pb2.ResolveChannelAccountResponse(account=found[0])

    async def ListChannelAccounts(  # noqa: N802
        self, request: directory_service_pb2.ListChannelAccountsRequest, _context: object
    ) -> directory_service_pb2.ListChannelAccountsResponse:
        self._peer.check()
        known = [each.account for each in self._peer.accounts.values()]
        accounts = [each for each in known if (each.channel, each.tenant_id) == (request.channel, request.tenant_id)]
        start, most = int(request.page_token or 0), min(request.page_size, self._peer.most_a_page)
        following = str(start + most) if start + most < len(accounts) else ""
        return directory_service_pb2.ListChannelAccountsResponse(
            accounts=accounts[start : start + most], next_page_token=following
        )

    async def ReportAccounts(  # noqa: N802
        self, request: account_health_pb2.ReportAccountsRequest, _context: object
    ) -> account_health_pb2.ReportAccountsResponse:
        self._peer.check()
        self._peer.reports += request.reports
        return account_health_pb2.ReportAccountsResponse(noted=len(request.reports))

    async def PutChannelAccount(  # noqa: N802
        self, request: directory_service_pb2.PutChannelAccountRequest, _context: object
    ) -> directory_service_pb2.PutChannelAccountResponse:
        self._peer.check()
        account = request.account
        account.id = account.id or new_id()
        account.tenant_id = request.tenant_id
        account.account_key = account.account_key or f"{account.channel}-key"
        secrets = directory_pb2.AccountSecrets(account=account, credentials=request.credentials)
        self._peer.accounts[f"{account.channel}/{account.address}"] = secrets
        return directory_service_pb2.PutChannelAccountResponse(account=account)


class Conversations(Partial):
    """ConversationService, what the web chat reads."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def GetConversation(  # noqa: N802
        self, request: conversation_service_pb2.GetConversationRequest, _context: object
    ) -> conversation_service_pb2.GetConversationResponse:
        self._peer.check()
        found = self._peer.conversations.get((request.account_id, request.chat_id))
        if found is None:
            raise errors.NotFound
        last_seq = len(self._peer.messages[found])
        conversation = conversation_pb2.Conversation(id=found, tenant_id=request.tenant_id, last_seq=last_seq)
        return conversation_service_pb2.GetConversationResponse(conversation=conversation)

    async def ListMessages(  # noqa: N802
        self, request: conversation_service_pb2.ListMessagesRequest, _context: object
    ) -> conversation_service_pb2.ListMessagesResponse:
        self._peer.check()
        before = request.before_seq - 1 if request.before_seq else None
        rows = self._peer.messages[request.conversation_id][request.after_seq : before]
        size = request.page_size or 100
        page = rows[-size:] if request.before_seq else rows[:size]
        return conversation_service_pb2.ListMessagesResponse(messages=page, more=len(rows) > size)

    async def WatchMessages(  # noqa: N802
        self, request: conversation_service_pb2.WatchMessagesRequest, _context: object
    ) -> AsyncIterator[conversation_service_pb2.WatchMessagesResponse]:
        self._peer.check()
        last, told = request.after_seq, (False, "", self._peer.signs_of_life)
        while True:
            async with self._peer.changed:
                while len(self._rows(request)) <= last and self._thinks(request) == told:
                    if request.conversation_id not in self._peer.conversations.values():
                        raise errors.StateConflict  # its contact is erased
                    await self._peer.changed.wait()
                rows, told = self._rows(request)[last:], self._thinks(request)
            last += len(rows)
            yield conversation_service_pb2.WatchMessagesResponse(messages=rows, thinking=told[0], draft=told[1])

    def _rows(self, request: conversation_service_pb2.WatchMessagesRequest) -> list[chat.Message]:
        return self._peer.messages[request.conversation_id]

    def _thinks(self, request: conversation_service_pb2.WatchMessagesRequest) -> tuple[bool, str, int]:
        thinking = request.conversation_id in self._peer.thinking
        return thinking, self._peer.drafts.get(request.conversation_id, ""), self._peer.signs_of_life


async def start(peer: Peer, settings: Settings, address: str) -> tuple[Server, int]:
    """Serves it."""
    server = Server("storage", address, settings=settings)
    server.add(
        inbox_service_pb2_grpc.add_InboxServiceServicer_to_server, Inbox(peer), service="parley.storage.v1.InboxService"
    )
    server.add(
        directory_service_pb2_grpc.add_DirectoryServiceServicer_to_server,
        Directory(peer),
        service="parley.storage.v1.DirectoryService",
    )
    server.add(
        conversation_service_pb2_grpc.add_ConversationServiceServicer_to_server,
        Conversations(peer),
        service="parley.storage.v1.ConversationService",
    )
    port = await server.start()
    await server.set_serving(True)
    return server, port


def _accepted(
    row: chat.Message, *, duplicate: bool = False, differs: bool = False
) -> inbox_service_pb2.AcceptedMessage:
    return inbox_service_pb2.AcceptedMessage(
        message_id=row.id,
        conversation_id=row.conversation_id,
        seq=row.seq,
        duplicate=duplicate,
        differs=differs,
        created_at=row.created_at,
    )
