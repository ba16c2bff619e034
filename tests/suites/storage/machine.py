"""A world in which anything may happen at any moment, and what must hold in it all the same.

Workers pause past their leases, commit late, crash; webhooks come again; people take over, are handed to, opt out and
come back; senders die around a call.
The real store runs underneath. What it promised is compared with what the outside saw: answers, calls, statuses.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from kit.errors import LeaseLost, OwnerChanged
from parley.chat.v1.message_pb2 import ChannelMessage
from parley.storage.v1.conversation_change_pb2 import HAND_OFF_REASON_CONTACT_ASKED, ConversationChange, HandOff
from parley.storage.v1.delivery_requests_pb2 import LeasedDelivery
from parley.storage.v1.turn_requests_pb2 import LeasedTurn
from storage_service.domain.asks import Ask
from storage_service.domain.mutations import Mutations
from storage_service.domain.words import RANK
from tests.suites.storage.hot import LEASE, Store, a_message, opened, seed

CHATS = st.sampled_from(["a", "b"])
WORKERS = st.sampled_from(["w1", "w2"])
WAITING = st.sampled_from(["", "", "w1", "w2"])  # who waits for work when it is made, if anybody does
PICK = st.integers(0, 30)
WHAT = st.sampled_from(["reply"] * 3 + ["hand_off", "opt_out", "opt_in", "reset"])
HOT_TABLES = (
    *("messages", "turns", "deliveries", "attempts", "receipts", "raw_payloads", "queue_entries", "token_days"),
    *("conversations", "identities", "contacts", "channel_accounts", "agents", "prompt_versions", "prompts", "tenants"),
)


@dataclass
class Sending:
    """A delivery in the hands of a sender: what it knows and has done."""

    delivery: LeasedDelivery
    worker: str
    begun: bool = False
    called: str = ""


@dataclass
class Seen:
    """What the outside saw."""

    webhooks: list[tuple[ChannelMessage, str]] = field(default_factory=list)
    turns: list[tuple[LeasedTurn, str]] = field(default_factory=list)
    sendings: list[Sending] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)  # deliveries
    states: dict[str, str] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    opted_out: set[str] = field(default_factory=set)  # chats
    silent: set[str] = field(default_factory=set)  # messages that arrived while no agent owned the chat
    kept: dict[str, str] = field(default_factory=dict)  # what the model's server calls a conversation
    context: dict[str, int] = field(default_factory=dict)  # the last place of a conversation that is no context

    def left(self) -> list[str]:
        """Chats of those who opted out, and whom no human took over."""
        return sorted(chat for chat in self.opted_out if self.owners[chat] == "none")


class World(RuleBasedStateMachine):
    """One example. `url` and `mutations` are set by the test."""

    url: str
    mutations: Mutations

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stack = contextlib.AsyncExitStack()
        self.seen = Seen()
        self.store: Store = self.run(self.stack.enter_async_context(opened(self.url, self.mutations)))
        self.run(self._clean())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    async def _clean(self) -> None:
        for table in HOT_TABLES:
            await self.store.execute(f"DELETE FROM {table}")
        await seed(self.store, accounts=("account-1",))

    @rule(chat=CHATS, worker=WAITING, word=st.sampled_from(["hello", "hello", "Start"]))
    def accept(self, chat: str, worker: str, word: str) -> None:
        """A webhook, perhaps while a worker waits that is handed its turn at once."""
        message = self._message(word, chat)
        self.store.workers = [Ask(worker, 2, LEASE, 20)] if worker else []
        (accepted,) = self.run(self.store.accept(message)).messages
        self.store.workers = []
        self._given(self.store.handed, worker)
        assert not accepted.duplicate
        owner, left = self.seen.owners.get(chat, "agent"), chat in self.seen.opted_out
        if owner == "agent" or (left and word == "Start"):
            assert accepted.turn_id, "an accepted message belongs to a turn"
        elif not accepted.turn_id:
            self.seen.silent.add(accepted.message_id)
        else:
            assert left, "an agent was asked that does not own the conversation"
        self.seen.webhooks.append((message, accepted.message_id))

    def _message(self, word: str, chat: str) -> ChannelMessage:
        return a_message(word, chat_id=chat, provider_message_id=f"{len(self.seen.webhooks)}")

    def _given(self, turns: Sequence[LeasedTurn], worker: str) -> None:
        self.seen.turns += [(turn, worker) for turn in turns]

    @precondition(lambda self: self.seen.webhooks)
    @rule(pick=PICK)
    def redeliver(self, pick: int) -> None:
        message, message_id = self.seen.webhooks[pick % len(self.seen.webhooks)]
        (again,) = self.run(self.store.accept(message)).messages
        assert again.duplicate, "a webhook that came again was accepted twice"
        assert again.message_id == message_id

    @rule(worker=WORKERS)
    def lease(self, worker: str) -> None:
        turns = self.run(self.store.lease(most=2, worker=worker))
        assert len({turn.conversation_id for turn in turns}) == len(turns)
        for turn in turns:
            assert turn.setting.model_conversation == self.seen.kept.get(turn.conversation_id, "")
            begun = self.seen.context.get(turn.conversation_id, 0)
            assert all(each.seq > begun for each in turn.history), "what was said before a reset came back"
        self._given(turns, worker)
        self._look_at_the_owners()

    @rule(worker=WORKERS, what=WHAT)
    def answer(self, worker: str, what: str) -> None:
        """A worker that does its work."""
        for turn in self.run(self.store.lease(most=2, worker=worker)):
            self._given([turn], worker)
            self.commit(0, "opt_in" if turn.setting.opted_out else what)

    @precondition(lambda self: self.seen.left())
    @rule(worker=WORKERS)
    def come_back(self, worker: str) -> None:
        """As far as what waits in the other chat lets them."""
        self.accept(self.seen.left()[0], "", "Start")
        self.answer(worker, "reply")

    @rule(worker=WORKERS)
    def answer_while_a_sender_waits_that_falls_silent(self, worker: str) -> None:
        for turn in self.run(self.store.lease(most=2, worker=worker)):
            self._given([turn], worker)
            self.commit_while_a_sender_waits(0, worker)
            self.send_and_fall_silent(worker)

    @precondition(lambda self: self.seen.turns)
    @rule(pick=PICK, sender=WORKERS)
    def commit_while_a_sender_waits(self, pick: int, sender: str) -> None:
        """The reply, if there is one, is handed to it at once."""
        self.store.senders = [Ask(sender, 1, LEASE, 0)]
        self.commit(pick, "reply")
        self.store.senders = []
        self.seen.sendings += [Sending(delivery, sender) for delivery in self.store.handed]

    @precondition(lambda self: self.seen.turns)
    @rule(pick=PICK, what=WHAT)
    def commit(self, pick: int, what: str) -> None:
        """Any lease that was ever given: the newest, one that was lost long ago, one that was committed already."""
        getattr(self, f"_{what}")(pick)
        self._look_at_the_owners()

    def _reply(self, pick: int) -> None:
        turn, _ = self.seen.turns[-1 - pick % len(self.seen.turns)]
        named = f"conv_{pick}" if pick % 2 else ""
        if self._commit(pick, model_conversation=named) and named:
            self.seen.kept[turn.conversation_id] = named

    def _hand_off(self, pick: int) -> None:
        change = ConversationChange(hand_off=HandOff(reason=HAND_OFF_REASON_CONTACT_ASKED))
        if turn := self._commit(pick, state="HANDED_OFF", change=change):
            self.seen.owners[self._chat(turn.conversation_id)] = "queue"

    def _opt_out(self, pick: int) -> None:
        if turn := self._commit(pick, change=ConversationChange(opted_out=True)):
            self.seen.owners[self._chat(turn.conversation_id)] = "none"
            self.seen.opted_out.add(self._chat(turn.conversation_id))
            waits = "SELECT turn_id FROM deliveries WHERE conversation_id = :id AND state = 'queued'"
            others = set(self._rows(waits, id=turn.conversation_id)) - {(turn.turn_id,)}
            assert not others, "more than its last word waits for somebody who opted out"

    def _opt_in(self, pick: int) -> None:
        if turn := self._commit(pick, change=ConversationChange(opted_out=False)):
            chat = self._chat(turn.conversation_id)
            self.seen.opted_out.discard(chat)
            if self.seen.owners.get(chat) == "none":  # Else they are the agent's, or the human's who took them over.
                self.seen.owners[chat] = "agent"

    def _reset(self, pick: int) -> None:
        if turn := self._commit(pick, change=ConversationChange(reset=True)):
            self.seen.kept.pop(turn.conversation_id, None)
            own = max(each.seq for each in turn.messages)
            self.seen.context[turn.conversation_id] = max(own, self.seen.context.get(turn.conversation_id, 0))

    def _commit(self, pick: int, **more: Any) -> LeasedTurn | None:
        """The turn, if it was ended by this."""
        turn, worker = self.seen.turns[-1 - pick % len(self.seen.turns)]
        before, chat = self._said_by_agent(), self._chat(turn.conversation_id)
        owner, left = self.seen.owners.get(chat, "agent"), chat in self.seen.opted_out
        done = self.run(self.store.commit(turn, f"reply of {worker}", worker=worker, **more))
        said = self._said_by_agent() - before
        assert said == (0 if done.duplicate or done.error else 1)
        change = more.get("change", ConversationChange())
        leaves_or_comes_back = change.HasField("opted_out") and change.opted_out != left
        if owner != "agent" and not leaves_or_comes_back:
            assert said == 0, "text of the model went out after a take-over"
            assert isinstance(done.error, OwnerChanged | LeaseLost) or done.duplicate
        self._look_at_the_answers()
        return turn if said else None

    @precondition(lambda self: self.seen.turns)
    @rule(pick=PICK)
    def merge(self, pick: int) -> None:
        """Any lease again: it comes back with what waits behind it, and the answer to both is given once."""
        turn, worker = self.seen.turns[-1 - pick % len(self.seen.turns)]
        behind = self._waiting_behind(turn)
        done = self.run(self.store.merge(turn, worker))
        if not (done.duplicate or done.error):
            assert self._waiting_behind(turn) == [], "a turn still waits behind the one that it was merged with"
            for turn_id in behind:
                assert self._rows("SELECT id FROM messages WHERE turn_id = :id", id=turn_id) == []
        self._look_at_the_open_turns()

    @rule(chat=CHATS, worker=WORKERS)
    def write_on_while_it_is_answered(self, chat: str, worker: str) -> None:
        """A worker that begins anew with all that was written."""
        self.accept(chat, "", word="hello")
        self.lease(worker)
        self.accept(chat, "", word="hello")
        if self.seen.turns:
            self.merge(0)

    @rule()
    def pause_past_the_lease(self) -> None:
        """Everybody sleeps longer than their leases; somebody sweeps."""
        self.store.clock.pass_seconds(31)
        self.run(self.store.sweep())
        self._look_at_the_answers()
        self._look_at_the_owners()
        self._look_at_the_statuses()

    @rule(chat=CHATS, owner=st.sampled_from(["human", "agent"]))
    def take_over(self, chat: str, owner: str) -> None:
        update = "UPDATE conversations SET owner = :owner, owner_epoch = owner_epoch + 1 WHERE chat_id = :chat"
        owner = "none" if owner == "agent" and chat in self.seen.opted_out else owner
        if self.run(self.store.fetch("SELECT 1 FROM conversations WHERE chat_id = :chat", chat=chat)):
            self.run(self.store.execute(update, owner=owner, chat=chat))
            self.seen.owners[chat] = owner

    @rule(worker=WORKERS)
    def lease_delivery(self, worker: str) -> None:
        given = self.run(self.store.lease_deliveries(most=1, worker=worker))
        self.seen.sendings += [Sending(delivery, worker) for delivery in given]

    @rule(worker=WORKERS)
    def send_and_fall_silent(self, worker: str) -> None:
        """A sender that dies, or pauses, between the provider's answer and its record."""
        self.lease_delivery(worker)
        last = self.seen.sendings[-1] if self.seen.sendings else None
        if last and not last.called:
            self.begin(0)
        if last and last.begun and not last.called:
            self._call(last)

    @precondition(lambda self: self.seen.sendings)
    @rule(pick=PICK)
    def begin(self, pick: int) -> None:
        sending = self.seen.sendings[-1 - pick % len(self.seen.sendings)]
        result = self.run(self.store.record(sending.delivery, "BEGUN", sending.worker))
        sending.begun = sending.begun or not (result.HasField("error") or result.duplicate)

    @precondition(lambda self: any(each.begun and not each.called for each in self.seen.sendings))
    @rule()
    def call_the_provider(self) -> None:
        self._call(next(each for each in reversed(self.seen.sendings) if each.begun and not each.called))

    def _call(self, sending: Sending) -> None:
        assert sending.begun
        sending.called = f"p-{len(self.seen.calls)}"
        self.seen.calls.append(sending.delivery.delivery_id)
        self._look_at_the_calls()

    @precondition(lambda self: any(each.called for each in self.seen.sendings))
    @rule(pick=PICK, outcome=st.sampled_from(["SENT", "SENT", "UNKNOWN"]))
    def record(self, pick: int, outcome: str) -> None:
        called = [each for each in self.seen.sendings if each.called]
        sending = called[pick % len(called)]
        provider_id = sending.called if outcome == "SENT" else ""
        self.run(self.store.record(sending.delivery, outcome, sending.worker, provider_message_id=provider_id))
        self._look_at_the_statuses()

    @precondition(lambda self: any(each.called for each in self.seen.sendings))
    @rule(pick=PICK, state=st.sampled_from(["SENT", "DELIVERED", "READ"]))
    def receive(self, pick: int, state: str) -> None:
        called = [each for each in self.seen.sendings if each.called]
        self.run(self.store.receive(state, delivery_id=called[pick % len(called)].delivery.delivery_id))
        self._look_at_the_statuses()

    @precondition(lambda self: self.seen.sendings)
    @rule()
    def crash_of_the_senders(self) -> None:
        """They forget everything; what they had called was called."""
        self.seen.sendings.clear()

    def _look_at_the_calls(self) -> None:
        ids = self._once()
        assert len(ids) == len(set(ids)), "a delivery was sent twice"
        places = {row[0]: (row[1], row[2]) for row in self._rows("SELECT id, conversation_id, seq FROM deliveries")}
        for conversation_id in {each for each, _ in places.values()}:
            order = [places[each][1] for each in ids if places[each][0] == conversation_id]
            assert order == sorted(order), "deliveries of a conversation overtook each other"

    def _once(self) -> list[str]:
        """The deliveries that were called for, in their order, but those that a person wanted more often."""
        return self.seen.calls

    def _look_at_the_owners(self) -> None:
        """As those who changed them left them. Storage itself asks for a human, after failures in a row."""
        for chat, owner in self._rows("SELECT chat_id, owner FROM conversations"):
            before = self.seen.owners.get(chat, "agent")
            assert owner in {before, "queue" if before == "agent" else before}, f"{before} became {owner}"
            self.seen.owners[chat] = owner
        handed_off = self._rows("SELECT id FROM turns WHERE state = 'handed_off' ORDER BY id")
        assert handed_off == self._rows("SELECT turn_id FROM queue_entries ORDER BY turn_id"), "nobody asked, or twice"

    def _look_at_the_statuses(self) -> None:
        for delivery_id, state in self._rows("SELECT id, state FROM deliveries"):
            before = self.seen.states.get(delivery_id, "queued")
            if RANK.get(before, 0) >= RANK["sent"]:
                assert RANK.get(state, 0) >= RANK[before], f"{before} became {state}"
            self.seen.states[delivery_id] = state

    def _look_at_the_answers(self) -> None:
        answers = "SELECT turn_id, count(*) FROM messages WHERE role = 'agent' GROUP BY turn_id HAVING count(*) > 1"
        assert self._rows(answers) == [], "a turn was answered twice"

    def _look_at_the_open_turns(self) -> None:
        held = "SELECT conversation_id FROM turns WHERE state IN ('running', 'returned') GROUP BY 1 HAVING count(*) > 1"
        assert self._rows(held) == [], "two turns of a conversation run at a time"
        lost = "SELECT m.id FROM messages m JOIN turns t ON t.id = m.turn_id WHERE t.reason = 'merged'"
        assert self._rows(lost) == [], "a message stayed with a turn that nobody answers any more"

    def _waiting_behind(self, turn: LeasedTurn) -> list[str]:
        waiting = "SELECT id FROM turns WHERE conversation_id = :id AND state = 'waiting'"
        return [row[0] for row in self._rows(waiting, id=turn.conversation_id)]

    def teardown(self) -> None:
        try:
            self.run(self._everything_ends())
        finally:
            self.run(self.stack.aclose())
            self.loop.close()

    async def _everything_ends(self) -> None:
        """However it got here, a worker that does its work brings every message to an end."""
        for _ in range(60):
            await self.store.sweep()
            for turn in await self.store.lease(most=10, worker="last"):
                await self.store.commit(turn, "at last", worker="last")
            open_turns = await self.store.fetch("SELECT 1 FROM turns WHERE ended_at IS NULL")
            if not open_turns:
                break
            self.store.clock.pass_seconds(31)
        assert not open_turns, "a turn never ended"
        orphans = await self.store.fetch(
            "SELECT m.id FROM messages m LEFT JOIN turns t ON t.id = m.turn_id "
            "WHERE m.role = 'contact' AND t.id IS NULL"
        )
        assert {row[0] for row in orphans} <= self.seen.silent, "a message without a turn"
        kept = await self.store.fetch("SELECT count(*) FROM messages WHERE role = 'contact'")
        assert kept == [(len(self.seen.webhooks),)], "a message was lost, or accepted twice"
        places = "SELECT count(*), max(m.seq), max(c.next_seq) - 1 FROM messages m JOIN conversations c "
        places += "ON c.id = m.conversation_id GROUP BY c.id"
        for count, last, given in await self.store.fetch(places):
            assert count == last == given, "a place was given twice, or to nobody"

    def _rows(self, statement: str, **values: Any) -> Any:
        return self.run(self.store.fetch(statement, **values))

    def _said_by_agent(self) -> int:
        ((count,),) = self._rows("SELECT count(*) FROM messages WHERE role = 'agent'")
        return int(count)

    def _chat(self, conversation_id: str) -> str:
        ((chat,),) = self._rows("SELECT chat_id FROM conversations WHERE id = :id", id=conversation_id)
        return str(chat)


def world_on(url: str, mutations: Mutations, world: type[World] = World) -> type[World]:
    return type("WorldOn", (world,), {"url": url, "mutations": mutations})
