"""The same world, in which people take back what they wrote, are erased, and are taken over by those who may.

What is gone stays so: for a worker that leases, in what is stored, for a webhook that comes again.
"""

import secrets
from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from kit.ids import new_id
from parley.chat.v1.message_pb2 import ChannelMessage
from parley.storage.v1.conversation_owner_pb2 import SetOwnerRequest
from parley.storage.v1.privacy_service_pb2 import EraseContactRequest
from parley.storage.v1.turn_requests_pb2 import LeasedTurn
from storage_service.backends.engines import open_engine
from storage_service.backends.erasure import Erasure
from storage_service.backends.ownership import Ownership
from storage_service.backends.repeats import Repeats
from storage_service.backends.sessions import Sessions
from storage_service.backends.taken_back import TakenBack
from storage_service.domain.events import Events
from storage_service.domain.sealing import Keyring
from storage_service.domain.taken_back import withdrawals
from tests.suites.storage.hot import TENANT, a_message, a_submission
from tests.suites.storage.machine import CHATS, PICK, WORKERS, World

ENDS = ("take back", "erase")
WHO = st.sampled_from(["its sender"] * 3 + ["a stranger"])
AT_WORK = "SELECT 1 FROM turns WHERE conversation_id = :id AND state IN ('running', 'returned')"
# The word by which somebody is passed on to a human stays true.
UNSENT = (
    "SELECT 1 FROM deliveries d JOIN turns t ON t.id = d.turn_id AND t.state <> 'handed_off' "
    "WHERE d.conversation_id = :id AND d.state = 'queued'"
)
COLD_TABLES = ("tombstones", "summaries", "requests", "audit")


class Leaving(World):
    """One example. In each chat two people write, of whom the first began it."""

    def __init__(self) -> None:
        super().__init__()
        keyring = Keyring({"k": b"k" * 32}, random_bytes=secrets.token_bytes)
        sessions = Sessions(open_engine(self.url), now=self.store.clock, new_id=new_id)
        self.stack.push_async_callback(sessions.close)
        repeats, events = Repeats(sessions, keyring), Events(self.store.wakeups)
        stones = self.store.acceptance.tombstones
        self.ownership = Ownership(sessions, repeats, events=events)
        self.erasure = Erasure(sessions, repeats, tombstones=stones, events=events)
        self.taken_back = TakenBack(sessions, tombstones=stones, events=events)
        self.gone: set[str] = set()  # messages

    async def _clean(self) -> None:
        for table in COLD_TABLES:
            await self.store.execute(f"DELETE FROM {table}")
        await super()._clean()

    @precondition(lambda self: self.seen.webhooks)
    @rule(pick=PICK, who=WHO)
    def take_back(self, pick: int, who: str) -> None:
        """By the front door's own way: what says so is no message, and is followed behind the accept."""
        message, message_id = self.seen.webhooks[-1 - pick % len(self.seen.webhooks)]
        number, sender = message.provider_message_id, message.sender_id if who == "its sender" else who
        said = {"takes_back": number, "no_turn": True, "only_if_known": True, "sender_id": sender}
        withdrawal = a_message("", chat_id=message.chat_id, provider_message_id=f"{number}:deleted", **said)
        submission = a_submission(withdrawal)
        for each in withdrawals([submission], self.run(self.store.submit(submission))):
            self.run(self.taken_back.take_back(each))
            if who == "its sender":
                self.seen.kept.pop(each.conversation_id, None)
        if who == "its sender":
            self._has_gone([message_id])
        self._look_at_the_lanes()

    @precondition(lambda self: self.seen.webhooks)
    @rule(chat=CHATS)
    def erase(self, chat: str) -> None:
        """Who began it. What others wrote there stays, as a conversation of theirs."""
        for lane, contact_id in self._rows("SELECT id, contact_id FROM conversations WHERE chat_id = :chat", chat=chat):
            request = EraseContactRequest(tenant_id=TENANT, request_id=new_id(), contact_id=contact_id)
            self.run(self.erasure.erase(request, "test"))
            self.seen.kept.pop(lane, None)
            ended = self._chat(lane)
            if ended != chat:  # Who writes there from now on begins anew.
                self.seen.owners |= {ended: "none", chat: "agent"}
                self.seen.opted_out.discard(chat)
                work = "SELECT 1 FROM {} WHERE conversation_id = :id AND state IN ('waiting', 'queued')"
                left = [self._rows(work.format(table), id=lane) for table in ("turns", "deliveries")]
                assert left == [[], []], "somebody who was erased will be answered"
            theirs = "SELECT id FROM messages WHERE conversation_id = :id AND role = 'contact' AND sender_id = ''"
            self._has_gone([row[0] for row in self._rows(theirs, id=lane)])
        self._look_at_the_lanes()

    @rule(chat=CHATS, owner=st.sampled_from(["human", "agent"]))
    def take_over(self, chat: str, owner: str) -> None:
        for (lane,) in self._rows("SELECT id FROM conversations WHERE chat_id = :chat", chat=chat):
            before = self.seen.owners.get(chat, "agent")
            now = "none" if owner == "agent" and chat in self.seen.opted_out else owner
            if before != now and self._rows(AT_WORK, id=lane):  # its model may have said what nobody will hear
                self.seen.kept.pop(lane, None)
            wanted = f"OWNER_{owner.upper()}"
            request = SetOwnerRequest(tenant_id=TENANT, request_id=new_id(), conversation_id=lane, owner=wanted)
            self.run(self.ownership.set_owner(request, "test"))
            self.seen.owners[chat] = now
            assert before == now or self._rows(AT_WORK, id=lane) == [], "an answer is made that nobody will hear"
            assert (before, now) != ("agent", "human") or self._rows(UNSENT, id=lane) == [], "the agent still speaks"
        self._look_at_the_lanes()

    @rule(chat=CHATS, workers=st.sampled_from([("", "w1"), ("w1", "w2"), ("w1", "w1")]), what=st.sampled_from(ENDS))
    def write_and_leave(self, chat: str, workers: tuple[str, str], what: str) -> None:
        """Perhaps while it is answered, and something else is said beside it."""
        self.accept(chat, workers[0], word="hello")
        beside = len(self.seen.webhooks) % 2
        if beside:
            self.accept(chat, "", word="hello")
        {"take back": lambda: self.take_back(beside, "its sender"), "erase": lambda: self.erase(chat)}[what]()
        self.lease(workers[1])

    @rule(chat=CHATS, worker=WORKERS, sends=st.booleans())
    def answer_and_be_taken_over(self, chat: str, worker: str, sends: bool) -> None:
        """Once it is said, and perhaps begun to be sent; and once while the next is being made."""
        self.accept(chat, "", word="hello")
        self.answer(worker, "reply")
        if sends:
            self.lease_delivery(worker)
        self.accept(chat, worker, word="hello")
        self.take_over(chat, "human")
        self.take_over(chat, "agent")

    @precondition(lambda self: self.seen.webhooks)
    @rule(pick=PICK)
    def redeliver(self, pick: int) -> None:
        message, message_id = self.seen.webhooks[pick % len(self.seen.webhooks)]
        (again,) = self.run(self.store.accept(message)).messages
        if message_id in self.gone:
            assert again.duplicate or again.passed_over, "what is gone came back"
        else:
            assert (again.duplicate, again.message_id) == (True, message_id)

    def _message(self, word: str, chat: str) -> ChannelMessage:
        number = len(self.seen.webhooks)
        text = word if word == "Start" else f"{word}, it is {number}"
        return a_message(text, chat_id=chat, sender_id=f"{number % 3 // 2} of {chat}", provider_message_id=f"{number}")

    def _given(self, turns: Sequence[LeasedTurn], worker: str) -> None:
        super()._given(turns, worker)
        for turn in turns:
            assert turn.messages, "a turn was handed out that answers nothing"
            read = {each.id for each in (*turn.messages, *turn.history)}
            assert not read & self.gone, "what is gone was read"

    def _has_gone(self, message_ids: Sequence[str]) -> None:
        self.gone.update(message_ids)
        for message_id in message_ids:
            ((text, turn_id),) = self._rows("SELECT text, turn_id FROM messages WHERE id = :id", id=message_id)
            assert text == "", "its words are still there"
            if turn_id is None:
                self.seen.silent.add(message_id)

    def _look_at_the_lanes(self) -> None:
        """A conversation says of its work what there is."""
        turns = "SELECT id FROM turns t WHERE t.conversation_id = c.id AND t.state"
        open_deliveries = (
            "SELECT count(*) FROM deliveries d WHERE d.conversation_id = c.id AND d.state IN ('queued', 'sending')"
        )
        for said, found in self._rows(f"SELECT open_deliveries, ({open_deliveries}) FROM conversations c"):
            assert said == found, "deliveries wait that the conversation does not know of, or the other way round"
        running, waiting = f"({turns} IN ('running', 'returned'))", f"({turns} = 'waiting')"
        lanes = f"SELECT running_turn_id, {running}, waiting_turn_id, {waiting} FROM conversations c"
        for row in self._rows(lanes):
            assert (row[0], row[2]) == (row[1], row[3]), "turns are open that the conversation does not know of"
