"""How is a person forgotten, for good? In one transaction; counts and states stay, nothing that names them does.

Of each message a keyed hash remains, so that a webhook that is delivered late does not bring it back.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta

from sqlmodel import col

from kit.errors import StorageUnavailable
from kit.moments import stamp
from parley.storage.v1 import privacy_service_pb2 as pb
from storage_service.backends import among_others, footprint, hand_offs, lanes, media, payloads
from storage_service.backends.footprint import Names
from storage_service.backends.repeats import Repeats
from storage_service.backends.rows import Rows, Who
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import (
    Attempt,
    Contact,
    Conversation,
    Delivery,
    Identity,
    Message,
    RawPayload,
    Receipt,
    Summary,
    Tombstone,
)
from storage_service.domain.events import Events
from storage_service.domain.tombstones import Tombstones

REASON = "erased"
RETRY_AFTER = timedelta(seconds=1)
# What a message's row says of the person. The rest is ours: ids, states, times.
NOTHING_SAID = {"text": "", "attachments": None, "message_metadata": None}
NOBODY = {**NOTHING_SAID, "sender_id": "", "provider_message_id": None, "reply_to_provider_message_id": ""}


class Erasure:
    """Forgets contacts."""

    def __init__(self, sessions: Sessions, repeats: Repeats, *, tombstones: Tombstones, events: Events) -> None:
        self._sessions = sessions
        self._bodies = payloads.Payloads(sessions)
        self._repeats = repeats
        self._tombstones = tombstones
        self._events = events

    async def erase(self, request: pb.EraseContactRequest, actor: str) -> pb.EraseContactResponse:
        """Removes a contact: names, identities, texts, attachments, raw payloads, the providers' ids."""
        who = Who(request.tenant_id, actor)
        looked_for, behind = await self._drop_bodies(who, request)
        moved: list[str] = []
        ended: list[str] = []

        async def work(rows: Rows) -> pb.EraseContactResponse:
            place = await _held(rows, request.contact_id)
            contact = place.contact
            if contact.erased_at is not None:
                return pb.EraseContactResponse(erased_at=stamp(contact.erased_at), duplicate=True)
            names = await footprint.names(rows, contact.id)
            if not names.names <= looked_for.names:
                raise StorageUnavailable("the contact has got another name", retry_after=RETRY_AFTER)
            await hand_offs.quote_no_more(rows, place.beside)
            messages = await self._messages_elsewhere(rows, place, ended=ended)
            await among_others.pass_on(rows, place.groups)
            for conversation in place.conversations:
                messages += await self._conversation(rows, conversation.id, ended=ended, others=place.other_ids)
            moved.extend(place.lanes)
            await payloads.drop_rest(rows, names, behind=behind)
            await self._contact(rows, contact)
            await rows.note("contact.erase", "contact", row_id=contact.id, messages=messages)
            return pb.EraseContactResponse(messages=messages, erased_at=stamp(rows.now))

        again = pb.EraseContactResponse(duplicate=True)
        response = await self._repeats.write(who, request, work=work, again=again)
        self._events.changed(moved, ended=ended)
        await self._sessions.shed()
        return response

    async def _drop_bodies(self, who: Who, request: pb.EraseContactRequest) -> tuple[Names, str]:
        """Beforehand, since that may take a while. Returns by which names, and from where on some may be left."""
        async with self._sessions.read(who.tenant_id) as rows:
            contact = await rows.first(rows.select(Contact).where(col(Contact.id) == request.contact_id))
            if contact is None or contact.erased_at is not None or await self._repeats.first(rows, request) is not None:
                return Names(), ""
            names = await footprint.names(rows, contact.id)
        return names, await self._bodies.drop(who, names)

    async def _contact(self, rows: Rows, contact: Contact) -> None:
        await rows.change(rows.delete(Identity).where(col(Identity.contact_id) == contact.id))
        contact.name, contact.model, contact.erased_at = "", "", rows.now
        await rows.flush()

    async def _conversation(
        self, rows: Rows, conversation_id: str, *, ended: list[str], others: Collection[str]
    ) -> int:
        """Ends its work, buries its messages, and takes away the chat that it was held in. Nobody answers it again."""
        lane = await rows.named(Conversation, conversation_id, lock=True)
        lane.owner, lane.owner_epoch = "none", lane.owner_epoch + 1
        ended += await lanes.drop_waiting_turn(rows, lane, reason=REASON)
        await lanes.drop_deliveries(rows, lane, reason=REASON)
        await self._bury(rows, lane, others=others)
        lanes.end_chat(lane)
        theirs = rows.update(Message).where(col(Message.conversation_id) == lane.id)
        emptied = await rows.change(theirs.values(**NOBODY, chat_id=lane.chat_id))
        lane.updated_at = rows.now
        lane.language, lane.model, lane.opted_out_at = None, "", None
        await rows.flush()
        await hand_offs.forget(rows, lane)
        await media.forget_conversation(rows, lane.id)
        await rows.change(rows.delete(RawPayload).where(col(RawPayload.conversation_id) == lane.id))
        return emptied

    async def _bury(self, rows: Rows, lane: Conversation, *, others: Collection[str]) -> None:
        """Page by page: hashes of what came in, the bodies it came in, the providers' names of what went out."""
        after_seq = 0
        while page := await footprint.page_of(rows, lane.id, after_seq=after_seq):
            await self._tombstone(rows, page, others=others)
            await payloads.forget(rows, page)
            await _forget_provider_ids(rows, [message.delivery_id for message in page if message.delivery_id])
            after_seq = page[-1].seq

    async def _messages_elsewhere(self, rows: Rows, place: footprint.Footprint, *, ended: list[str]) -> int:
        """What the agent answered to it goes, too: it may say it again, and is nobody else's word."""
        emptied = 0
        for ids in _chunks(place.elsewhere):
            page = await rows.all(rows.select(Message).where(col(Message.id).in_(ids)))
            ended += await among_others.answer_no_more(rows, page, reason=REASON)
            answers = await among_others.answers(rows, page)
            await among_others.send_no_more(rows, answers, reason=REASON)
            await _forget_provider_ids(rows, [each.delivery_id for each in answers if each.delivery_id])
            said = rows.update(Message).where(col(Message.id).in_([each.id for each in answers]))
            await rows.change(said.values(**NOTHING_SAID))
            await self._tombstone(rows, page, others=place.other_ids)
            await payloads.forget(rows, page)
            await media.forget_messages(rows, ids)
            emptied += await rows.change(rows.update(Message).where(col(Message.id).in_(ids)).values(**NOBODY))
        return emptied

    async def _tombstone(self, rows: Rows, messages: Sequence[Message], *, others: Collection[str]) -> None:
        """What was said under another id than the chat's comes again with that one, and then nobody knows any more that
        both were one person's."""
        stones = {
            self._digest(message, chat_id)
            for message in messages
            if message.provider_message_id is not None
            for chat_id in {message.chat_id, *({message.sender_id} & set(others))}
        }
        await rows.add(*(Tombstone(tenant_id=rows.tenant_id, digest=each, created_at=rows.now) for each in stones))

    def _digest(self, message: Message, chat_id: str) -> bytes:
        return self._tombstones.to_write(
            message.tenant_id,
            message.account_id,
            chat_id=chat_id,
            provider_message_id=message.provider_message_id or "",
        )


async def _held(rows: Rows, contact_id: str) -> footprint.Footprint:
    """Where they stand, and nobody changes it meanwhile: people are locked before conversations, each in order."""
    seen = await footprint.find(rows, contact_id)
    people = rows.select(Contact).where(col(Contact.id).in_([contact_id, *seen.groups.values()]))
    await rows.all(people.order_by(col(Contact.id)), lock=True)
    if seen.contact.erased_at is not None:
        return seen
    await _sum_up_no_more(rows, sorted(seen.lanes))
    place = await footprint.find(rows, contact_id)
    if (place.lanes, place.groups) != (seen.lanes, seen.groups):
        raise StorageUnavailable("the contact has got another conversation", retry_after=RETRY_AFTER)
    return place


async def _sum_up_no_more(rows: Rows, conversation_ids: Sequence[str]) -> None:
    """What was written in a group was summed up with it, too. Every lock that is needed is taken here, in order."""
    theirs = rows.select(Conversation).where(col(Conversation.id).in_(conversation_ids))
    for lane in await rows.all(theirs.order_by(col(Conversation.id)), lock=True):
        lane.summary, lane.summary_seq, lane.model_conversation = "", 0, ""
    await rows.flush()
    await rows.change(rows.delete(Summary).where(col(Summary.conversation_id).in_(conversation_ids)))


async def _forget_provider_ids(rows: Rows, delivery_ids: Sequence[str]) -> None:
    """Some providers write the phone number into the ids of messages."""
    nameless = {"provider_message_id": ""}
    await rows.change(rows.update(Delivery).where(col(Delivery.id).in_(delivery_ids)).values(**nameless))
    unsaid = nameless | {"shown": ""}
    await rows.change(rows.update(Attempt).where(col(Attempt.delivery_id).in_(delivery_ids)).values(**unsaid))
    await rows.change(rows.update(Receipt).where(col(Receipt.delivery_id).in_(delivery_ids)).values(**nameless))


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + footprint.PAGE] for start in range(0, len(ids), footprint.PAGE))
