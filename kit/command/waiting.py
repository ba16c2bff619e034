"""Who waits for a human, and who has which conversation? Asked of storage, and changed there."""

from collections.abc import Sequence
from datetime import datetime

import grpc

from kit.command import reaching
from kit.command.screen import Mistake, cell, document, say, table
from kit.command.tenants import storage_of
from kit.errors import NotFound, OwnerChanged, ParleyError, from_rpc
from kit.ids import new_id
from kit.moments import moment
from parley.chat.v1.message_pb2 import Owner
from parley.storage.v1.conversation_change_pb2 import HandOffReason, ListQueueRequest, QueueEntry
from parley.storage.v1.conversation_owner_pb2 import SetOwnerRequest
from parley.storage.v1.conversation_service_pb2 import (
    GetConversationRequest,
    ListConversationsRequest,
    ListConversationsResponse,
)
from parley.storage.v1.conversation_service_pb2_grpc import ConversationServiceStub

OWNERS = {"human": Owner.OWNER_HUMAN, "agent": Owner.OWNER_AGENT}
MOST_ROWS = 200
TAKEN = "with a human"
LISTED = "parley turns and parley queue --all list them"
NOW = {
    Owner.OWNER_HUMAN: "is a human's now: the agent is silent",
    Owner.OWNER_AGENT: "is the agent's again",
    Owner.OWNER_NONE: "is nobody's",
}
ALREADY = "was with a human already, who may be somebody else; nothing has changed"
OPTED_OUT = "; the contact wants no messages until they write START, and you cannot write to them"


async def listing(tenant: str, *, everything: bool, as_json: bool) -> None:
    """The one that is due first first. What is said of it is for the desk, not for a terminal."""
    wanted = ListQueueRequest(tenant_id=tenant, all=everything, page_size=MOST_ROWS)
    async with storage_of(tenant) as storage:
        conversations = ConversationServiceStub(storage)
        found = await conversations.ListQueue(wanted, timeout=reaching.CALL_SECONDS)
        taken = ListConversationsResponse()
        if everything:  # Who took one that nobody handed off finds it here, to give it back.
            theirs = ListConversationsRequest(tenant_id=tenant, owner=Owner.OWNER_HUMAN, page_size=MOST_ROWS)
            taken = await conversations.ListConversations(theirs, timeout=reaching.CALL_SECONDS)
    rows = [(each.conversation_id, _word(each), _state(each), moment(each.due_at)) for each in found.entries]
    handed_off = {each.conversation_id for each in found.entries if not each.HasField("closed_at")}
    theirs_too = [(each.id, "", TAKEN, None) for each in taken.conversations if each.id not in handed_off]
    _show([*rows, *theirs_too], more=bool(found.next_page_token or taken.next_page_token), as_json=as_json)


async def give(tenant: str, conversation: str, *, to: str) -> None:
    """To a human, or back to the agent. Of two who take it at once, one is told that the other has it."""
    if not conversation:  # of a script whose variable is empty
        raise Mistake("the conversation's ID is empty", fix=LISTED)
    named = GetConversationRequest(tenant_id=tenant, conversation_id=conversation)
    wanted = SetOwnerRequest(tenant_id=tenant, request_id=new_id(), conversation_id=conversation, owner=OWNERS[to])
    async with storage_of(tenant) as storage:
        conversations = ConversationServiceStub(storage)
        try:
            seen = (await conversations.GetConversation(named, timeout=reaching.CALL_SECONDS)).conversation
            wanted.owner_epoch = seen.owner_epoch
            done = (await conversations.SetOwner(wanted, timeout=reaching.CALL_SECONDS)).conversation
        except grpc.aio.AioRpcError as error:
            raise _mistake(from_rpc(error), conversation) or error from None
    taken_before = to == "human" and seen.owner == Owner.OWNER_HUMAN
    now = ALREADY if taken_before else NOW[done.owner]
    say(f"{conversation} {now}{OPTED_OUT if done.HasField('opted_out_at') else ''}")


def _mistake(error: ParleyError, conversation: str) -> Mistake | None:
    """What a person can mend."""
    if isinstance(error, NotFound):
        return Mistake(f"there is no conversation {conversation!r}", fix=LISTED)
    if isinstance(error, OwnerChanged):
        return Mistake(f"somebody else was faster with {conversation}", fix="parley queue --all", code=1)
    return None


def _show(rows: Sequence[tuple[str, str, str, datetime | None]], *, more: bool, as_json: bool) -> None:
    if as_json:
        names = ("conversation_id", "reason", "state", "due_at")
        document({"queue": [dict(zip(names, row, strict=True)) for row in rows], "more": more})
        return
    table(("conversation", "reason", "state", "due"), [[cell(value) for value in row] for row in rows])
    if more:
        say("… and more")


def _word(entry: QueueEntry) -> str:
    return HandOffReason.Name(entry.reason).removeprefix("HAND_OFF_REASON_").lower()


def _state(entry: QueueEntry) -> str:
    if entry.HasField("closed_at"):
        return "given back"
    return TAKEN if entry.HasField("taken_at") else "waits"
