"""Who answers a conversation? A change of owner is one transaction, and from its end the model is silent.

What waits is ended here, and what runs, unless it says STOP: that is refused by its epoch if it says anything else.
What the agent said and nobody has begun to send is not sent.
"""

from kit.errors import InvalidField
from parley.chat.v1.message_pb2 import Owner
from parley.storage.v1 import conversation_owner_pb2 as owning
from storage_service.backends import hand_offs, lanes, mapping
from storage_service.backends.repeats import Repeats
from storage_service.backends.rows import Rows, Who
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import Conversation
from storage_service.domain import taken_over, words
from storage_service.domain.events import Events

REASON = taken_over.REASON
PROVIDERS_APP = "provider's app"
# Before whom the agent spoke: what it said before it passed the contact on may still wait to be sent.
SPOKE = {"agent", "queue"}


class Ownership:
    """Changes of who answers."""

    def __init__(self, sessions: Sessions, repeats: Repeats, *, events: Events) -> None:
        self._sessions = sessions
        self._repeats = repeats
        self._events = events

    async def take_over(self, tenant_id: str, conversation_id: str, *, message_id: str) -> None:
        """A human of the team wrote this message in the provider's own app. Known again, it takes nothing over."""
        request = owning.SetOwnerRequest(
            tenant_id=tenant_id, request_id=message_id, conversation_id=conversation_id, owner=Owner.OWNER_HUMAN
        )
        await self.set_owner(request, PROVIDERS_APP, unless="none")

    async def set_owner(
        self, request: owning.SetOwnerRequest, actor: str, *, unless: str = ""
    ) -> owning.SetOwnerResponse:
        """Takes a conversation over or hands it back. Asked again, it shows the conversation as it is by then.

        With `unless` that owner keeps it: somebody who opted out stays so, whoever writes to them.
        """
        owner = _word(request.owner)
        ended: list[str] = []

        async def work(rows: Rows) -> owning.SetOwnerResponse:
            lane = await rows.named(Conversation, request.conversation_id, lock=True)
            repeated = await self._repeats.first(rows, request) is not None
            if not repeated and lane.owner != unless:
                lanes.refuse_erased(lane)
                lanes.refuse_changed(lane, request.owner_epoch)
                ended.extend(await change(rows, lane, owner=owner))
                await self._repeats.keep(rows, request, answer=b"")
            return owning.SetOwnerResponse(conversation=mapping.conversation(lane), duplicate=repeated)

        response = await self._sessions.write(Who(request.tenant_id, actor), work)
        self._events.changed([request.conversation_id], ended=ended)
        return response


async def change(rows: Rows, lane: Conversation, *, owner: str) -> list[str]:
    """Of a lane that is locked. Names the turns that it ended. The owner that it has already ends nothing: no running
    answer is thrown away."""
    before = lane.owner
    if owner == "agent" and lane.opted_out_at is not None:  # An opt-out is its contact's to end, and nobody else's.
        owner = "none"
    if owner == before:
        return []
    lane.owner, lane.owner_epoch, lane.updated_at = owner, lane.owner_epoch + 1, rows.now
    # Such a turn waits on: whose it is by then is looked at when it is leased.
    keeps = await lanes.hold_a_word(rows, lane)
    ended = [] if keeps else await lanes.drop_waiting_turn(rows, lane, reason=REASON)
    ended += await lanes.end_running_turn(rows, lane, reason=REASON)
    if before in SPOKE and owner != "agent":
        await lanes.silence_agent(rows, lane, reason=REASON)
    await rows.flush()
    await hand_offs.follow(rows, lane)
    await rows.note("conversation.owner", "conversation", row_id=lane.id, before=before, after=owner)
    return ended


def _word(owner: int) -> str:
    for word, value in words.OWNER.items():
        if value == owner:
            return word
    raise InvalidField([("owner", "is not a known value")])
