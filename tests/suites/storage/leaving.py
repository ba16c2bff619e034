"""The same world, in which people take back what they wrote, are erased, and are taken over by those who may, who send
again what did not arrive, or put it aside.

What is gone stays so: for a worker that leases, in what is stored, for a webhook that comes again.
"""

import contextlib
import secrets
from collections import Counter
from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from kit.errors import StateConflict
from kit.ids import new_id
from parley.chat.v1.message_pb2 import ChannelMessage
from parley.storage.v1.conversation_owner_pb2 import SetOwnerRequest
from parley.storage.v1.outbox_service_pb2 import PutDeliveryAsideRequest, RetryDeliveryRequest
from parley.storage.v1.privacy_service_pb2 import EraseContactRequest
from parley.storage.v1.turn_requests_pb2 import LeasedTurn
from storage_service.backends.engines import open_engine
from storage_service.backends.erasure import Erasure
from storage_service.backends.ownership import Ownership
from storage_service.backends.repeats import Repeats
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables.work import LEFT_TO_DO, UNDELIVERED
from storage_service.backends.taken_back import TakenBack
from storage_service.backends.wishes import Wishes
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
        self.wishes = Wishes(sessions, repeats, events=events)
        self.gone: set[str] = set()  # messages
        self.wanted: dict[str, int] = {}  # how often somebody wanted a delivery again
        self.aside: dict[str, str] = {}  # in which state it was put aside

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

    @rule(chat=CHATS, worker=WORKERS, deed=st.sampled_from(["again", "aside", "aside, and again"]))
    def lose_and_deal_with_it(self, chat: str, worker: str, deed: str) -> None:
        """Nobody heard what became of a call, and two people deal with it, the second by what the first saw."""
        self.accept(chat, worker, word="hello")
        self.answer(worker, "reply")
        self.lose(worker)
        if "aside" in deed:
            self.put_aside(0, late=False)
        if "again" in deed:
            self.want_again(0, late=False)
            self.lose(worker)
            self.want_again(0, late=True)

    @rule(worker=WORKERS)
    def lose(self, worker: str) -> None:
        """The provider is called, and its answer is lost."""
        self.lease_delivery(worker)
        last = self.seen.sendings[-1] if self.seen.sendings else None
        if last and not last.called:
            self.begin(0)
        if last and last.begun and not last.called:
            self._call(last)
            self.run(self.store.record(last.delivery, "UNKNOWN", last.worker, reason="timeout"))

    @rule(pick=PICK, late=st.booleans())
    def want_again(self, pick: int, late: bool) -> None:
        """As somebody wants it who saw it as it is, or as it was one call before: then it must not be done."""
        for delivery_id, _, attempts in self._undelivered(pick):
            seen = attempts - 1 if late else attempts
            named = {"tenant_id": TENANT, "request_id": new_id(), "delivery_id": delivery_id}
            asked = RetryDeliveryRequest(**named, attempts_seen=max(0, seen))
            with contextlib.suppress(StateConflict):  # who was erased, or wants no messages, gets none
                self.run(self.wishes.retry_delivery(asked, "test"))
                assert seen == attempts or attempts == 0, "a wish was done that saw less than there was"
                self.wanted[delivery_id] = self.wanted.get(delivery_id, 0) + 1
                self.aside.pop(delivery_id, None)
        self._look_at_what_is_left()
        self._look_at_the_lanes()

    @rule(pick=PICK, late=st.booleans(), back=st.booleans())
    def put_aside(self, pick: int, late: bool, back: bool = False) -> None:
        for delivery_id, state, attempts in self._undelivered(pick):
            seen = attempts - 1 if late else attempts
            named = {"tenant_id": TENANT, "request_id": new_id(), "delivery_id": delivery_id}
            asked = PutDeliveryAsideRequest(**named, back=back, attempts_seen=max(0, seen))
            with contextlib.suppress(StateConflict):
                self.run(self.wishes.put_aside(asked, "test"))
                assert seen == attempts or attempts == 0, "it was put aside by who saw less than there was"
                self.aside[delivery_id] = "" if back else state
        self._look_at_what_is_left()

    @precondition(lambda self: self.seen.webhooks)
    @rule(pick=PICK)
    def redeliver(self, pick: int) -> None:
        message, message_id = self.seen.webhooks[pick % len(self.seen.webhooks)]
        (again,) = self.run(self.store.accept(message)).messages
        if message_id in self.gone:
            assert again.duplicate or again.passed_over, "what is gone came back"
        else:
            assert (again.duplicate, again.message_id) == (True, message_id)

    def _undelivered(self, pick: int) -> Sequence[tuple[str, str, int]]:
        """One of them, the newest first; none where there is none."""
        found = self._rows(f"SELECT id, state, attempts FROM deliveries WHERE {UNDELIVERED} ORDER BY id DESC")
        return found[pick % len(found) :][:1] if found else []

    def _once(self) -> list[str]:
        calls = Counter(self.seen.calls)
        for delivery_id, wishes in self.wanted.items():
            assert calls[delivery_id] <= 1 + wishes, "a delivery was sent more often than somebody wanted it"
        return [each for each in self.seen.calls if each not in self.wanted]

    def _look_at_what_is_left(self) -> None:
        """What did not arrive is left to do, but what was put aside as it stands."""
        left = {row[0] for row in self._rows(f"SELECT id FROM deliveries WHERE {LEFT_TO_DO}")}
        stands = self._rows(f"SELECT id, state FROM deliveries WHERE {UNDELIVERED}")
        assert left == {each for each, state in stands if self.aside.get(each, "") != state}, "dealt with, and not"

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
