"""Where does a contact stand in the rows? One list for export and erasure, so that neither forgets a place."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlmodel import col

from storage_service.backends.rows import Rows
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import ChannelAccount, Contact, Conversation, Identity, Message
from storage_service.backends.tables.conversations import AMONG_OTHERS

PAGE = 500


@dataclass(frozen=True, slots=True)
class Footprint:
    """A contact, the channels that know them, their conversations, and what they wrote in conversations of others,
    which are `beside`, since when. A conversation in which others wrote, too, is one of others, whoever began it;
    `groups` says of those that they began who wrote there first of the others."""

    contact: Contact
    identities: Sequence[Identity]
    conversations: Sequence[Conversation]
    groups: Mapping[str, str]
    elsewhere: Sequence[str]
    beside: Mapping[str, datetime]

    @property
    def other_ids(self) -> frozenset[str]:
        """Those that name no chat of theirs, because the chat bears another."""
        return frozenset(each.sender_id for each in self.identities if each.chat_id)

    @property
    def lanes(self) -> frozenset[str]:
        """Every conversation that they had a word in."""
        return frozenset([*(each.id for each in self.conversations), *self.groups, *self.beside])


@dataclass(frozen=True, slots=True)
class Names:
    """What the channels call a contact, and the accounts that a provider may have told of them."""

    accounts: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()


async def find(rows: Rows, contact_id: str) -> Footprint:
    """NotFound when the tenant does not know the contact."""
    contact = await rows.named(Contact, contact_id)
    identities, conversations, groups = await _known(rows, contact_id)
    elsewhere = await _elsewhere(rows, identities, known=[each.id for each in conversations])
    beside: dict[str, datetime] = {}
    for each in elsewhere:
        beside[each.conversation_id] = min(each.created_at, beside.get(each.conversation_id, each.created_at))
    return Footprint(contact, identities, conversations, groups, [each.id for each in elsewhere], beside)


async def names(rows: Rows, contact_id: str) -> Names:
    """By which they are found in what came in: senders, phone numbers, chats. A provider may post for several accounts
    of a tenant at one URL, so each one of their channels may have been told of them."""
    identities, conversations, _ = await _known(rows, contact_id)
    channels = {each.channel for each in identities} | {each.channel for each in conversations}
    accounts = await rows.ids(
        rows.select(ChannelAccount).where(col(ChannelAccount.channel).in_(sorted(channels))), ChannelAccount
    )
    called = {name for each in identities for name in (each.sender_id, each.phone)}
    return Names(frozenset(accounts), frozenset(called | {each.chat_id for each in conversations}))


async def messages(sessions: Sessions, tenant_id: str, *, conversation_id: str) -> AsyncIterator[Sequence[Message]]:
    """A conversation's messages page by page: nobody holds ten thousand of them in memory."""
    after_seq = 0
    while True:
        async with sessions.read(tenant_id) as rows:
            page = await page_of(rows, conversation_id, after_seq=after_seq)
        if not page:
            return
        yield page
        after_seq = page[-1].seq


async def page_of(rows: Rows, conversation_id: str, *, after_seq: int) -> Sequence[Message]:
    """The next messages of a conversation."""
    statement = rows.select(Message).where(col(Message.conversation_id) == conversation_id)
    return await rows.all(statement.where(col(Message.seq) > after_seq).order_by(col(Message.seq)).limit(PAGE))


async def _known(rows: Rows, contact_id: str) -> tuple[Sequence[Identity], Sequence[Conversation], Mapping[str, str]]:
    """Their ids, their own conversations, and the groups that began with them."""
    identities = await rows.all(rows.select(Identity).where(col(Identity.contact_id) == contact_id))
    theirs = rows.select(Conversation).where(col(Conversation.contact_id) == contact_id)
    # Sorted here: asked for this order, SQLite would read all of the tenant's in it.
    begun = sorted(await rows.all(theirs), key=lambda conversation: conversation.id)
    called = {name for each in identities for name in (each.sender_id, each.phone, each.chat_id)}
    # A chat that bears a name of theirs is theirs, whoever else wrote there.
    others = {each.id: await _another(rows, each) for each in begun if each.chat_id not in called}
    groups = {conversation_id: another for conversation_id, another in others.items() if another}
    return identities, [each for each in begun if each.id not in groups], groups


async def _another(rows: Rows, conversation: Conversation) -> str:
    """The first other contact who wrote there; "" when nobody did."""
    account_id = conversation.account_id
    theirs = rows.select(Identity).where(
        col(Identity.account_id) == account_id, col(Identity.contact_id) != conversation.contact_id
    )
    written = rows.select(Message).where(col(Message.conversation_id) == conversation.id, text(AMONG_OTHERS))
    known = written.where(theirs.where(col(Identity.sender_id) == col(Message.sender_id)).exists())
    first = await rows.first(known.order_by(col(Message.seq)).limit(1))
    if first is None:
        return ""
    writer = await rows.first(theirs.where(col(Identity.sender_id) == first.sender_id))
    return writer.contact_id if writer else ""


async def _elsewhere(rows: Rows, identities: Sequence[Identity], *, known: Sequence[str]) -> list[Message]:
    """In a group chat a person writes in a conversation that began with somebody else. A chat of their own name may
    have gone to another contact."""
    found: list[Message] = []
    for identity in identities:
        account_id, sender_id = identity.account_id, identity.sender_id
        theirs = rows.select(Message).where(col(Message.account_id) == account_id, col(Message.sender_id) == sender_id)
        found.extend(await rows.all(theirs.where(text(AMONG_OTHERS), col(Message.conversation_id).not_in(known))))
        own = rows.select(Conversation).where(
            col(Conversation.account_id) == account_id,
            col(Conversation.chat_id) == sender_id,
            col(Conversation.id).not_in(known),
        )
        for conversation in await rows.all(own):
            found.extend(await rows.all(theirs.where(col(Message.conversation_id) == conversation.id)))
    return found
