"""What happens between a phone, its provider and Parley? What is typed is posted, what is sent is shown, and goes wrong
as it was wished.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from sandbox.files import WRONG, File, Shelf
from sandbox.gateway import Posted
from sandbox.phone import Bubble, Event, Phone, Shown
from sandbox.provider import Ask, Kept, Later, Provider, Reading, Reply, Taken, Trying, Words, way_of
from sandbox.world import Outcome, World

RECEIPT_SECONDS = 0.6  # from one receipt to the next


class Switchboard:
    """All phones, and the providers behind them."""

    def __init__(self, providers: Sequence[Provider], world: World) -> None:
        self.providers: Mapping[str, Provider] = {each.name: each for each in providers}
        self._world = world
        self._of_channel = {handset.channel: each for each in providers for handset in each.handsets}
        self.phones: Mapping[str, Phone] = {
            handset.channel: Phone(handset, each.person(0)) for each in providers for handset in each.handsets
        }
        self._in_order = {channel: asyncio.Lock() for channel in self.phones}
        self._running: set[asyncio.Task[None]] = set()
        self.shelf = Shelf()  # files on the phones
        self._inbound = {"duplicate": self._twice, "reorder": self._hold, "delay": self._late}
        self._outbound = {
            "throttled": self._throttle,
            "broken": self._refuse,
            "closed": self._refuse,
            "used_up": self._refuse,
            "opted_out": self._refuse,
            "lost": self._lose,
            "window": self._close_window,
        }

    async def close(self) -> None:
        """Drops what is under way."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def say(self, channel: str, text: str, *, file: File | None = None) -> str:
        """Types it on the phone; the webhook follows by itself. Returns the message's id.

        Where no words can stand under a file, they are a message of their own after it.
        """
        if file and text and file.kind not in self.phones[channel].handset.captioned:
            self._say(channel, "", file=file)
            file = None
        return self._say(channel, text, file=file)

    def _say(self, channel: str, text: str, *, file: File | None) -> str:
        phone, provider, now = self.phones[channel], self._of_channel[channel], self._world.now()
        base_url = self._world.base_url(provider.name)
        words = Words(text, phone.person, self._world.webhook_url(channel), now, file=file, base_url=base_url)
        said = provider.say(channel, words)
        bubble = Bubble(self._world.new_id(), mine=True, text=text, at=now, state="posting")
        bubble.kept, bubble.webhook = (said, None) if isinstance(said, Kept) else (None, said)
        bubble.file = self._held(file)
        phone.bubbles.append(bubble)
        self._start(self._inbound.get(phone.fault, self._once)(phone, bubble))
        self._world.changed()
        return bubble.id

    def _held(self, file: File | None) -> Shown | None:
        if file is None:
            return None
        return Shown(self.shelf.put(self._world.new_id(), file), file.name, file.bare_type, len(file.content))

    def again(self, channel: str, bubble_id: str) -> bool:
        """Posts what was refused once more, as providers do. False when there is nothing to repeat."""
        phone = self.phones[channel]
        bubble = phone.find(bubble_id)
        if bubble is None or bubble.state != "refused":
            return False
        self._start(self._once(phone, bubble))
        return True

    def turn(self, channel: str, fault: str, *, seconds: int) -> None:
        """Has something go wrong from now on, or nothing. Who was held back is let go."""
        phone = self.phones[channel]
        phone.turn(fault, seconds)
        released, phone.held[:] = list(phone.held), []
        for bubble in released:
            self._start(self._once(phone, bubble))
        self._world.changed()

    def receipts(self, channel: str, *, automatic: bool) -> None:
        """Whether receipts are sent by themselves."""
        self.phones[channel].automatic = automatic
        self._world.changed()

    def report(self, channel: str, bubble_id: str) -> bool:
        """Sends the next receipt of a message. False when none is due."""
        phone = self.phones[channel]
        bubble = phone.find(bubble_id)
        if bubble is None or not bubble.due:
            return False
        self._start(self._report(phone, bubble))
        return True

    def hand_over(self, channel: str) -> None:
        """Gives the phone to somebody who has not written yet."""
        phone = self.phones[channel]
        phone.hand_over(self._of_channel[channel].person(phone.number + 1), phone.number + 1)
        self._world.changed()

    async def answer(self, provider: Provider, ask: Ask) -> Outcome:
        """Answers Parley's request at a provider's API."""
        answered = provider.answer(ask)
        if isinstance(answered, Reading | Trying):
            answered = await self._world.done(answered)
        if isinstance(answered, Later):
            return await self._wait(provider, ask, later=answered)
        return self.call(provider, ask, answered=answered)

    def call(self, provider: Provider, ask: Ask, *, answered: Reply | Taken) -> Outcome:
        """What becomes of an answer on its way: it is shown, or goes wrong."""
        what = provider.label(ask)
        if isinstance(answered, Reply) and answered.sign:
            phone = self.phones[answered.sign.channel]
            phone.see(answered.sign, self._world.now())
            self._note_call(phone, what, outcome=answered)
            return answered
        if isinstance(answered, Reply):
            for handset in provider.handsets:
                if answered.channel in ("", handset.channel):
                    self._note_call(self.phones[handset.channel], what, outcome=answered)
            return answered
        phone = self.phones[answered.channel]
        outcome = self._outbound.get(phone.fault, self._show)(phone, answered)
        self._note_call(phone, what, outcome=outcome)
        return outcome

    async def _wait(self, provider: Provider, ask: Ask, *, later: Later) -> Reply:
        """The answer, when there is one. That there was nothing to tell is not told."""
        self.look()
        await self._world.wait(later)
        reply = later.answer()
        for handset in provider.handsets if reply.status >= 400 else ():
            self._note_call(self.phones[handset.channel], provider.label(ask), outcome=reply)
        return reply

    def look(self) -> None:
        """Which of what was kept has been heard meanwhile?"""
        for phone in self.phones.values():
            for way in phone.heard():
                self._note(phone, Event(self._world.now(), "in", "message", way, good=True))

    async def _once(self, phone: Phone, bubble: Bubble) -> None:
        async with self._in_order[phone.handset.channel]:
            await self._post(phone, bubble)

    async def _twice(self, phone: Phone, bubble: Bubble) -> None:
        async with self._in_order[phone.handset.channel]:
            await asyncio.gather(self._post(phone, bubble), self._post(phone, bubble))

    async def _hold(self, phone: Phone, bubble: Bubble) -> None:
        """Every second one overtakes the one before it."""
        if not phone.held:
            phone.held.append(bubble)
            bubble.state = "held"
            self._world.changed()
            return
        waiting = phone.held.pop()
        await self._once(phone, bubble)
        await self._once(phone, waiting)

    async def _late(self, phone: Phone, bubble: Bubble) -> None:
        bubble.state = "held"
        self._world.changed()
        await self._world.pause(phone.seconds)
        await self._once(phone, bubble)

    async def _post(self, phone: Phone, bubble: Bubble) -> None:
        bubble.state, bubble.note = "posting", ""
        if bubble.kept:
            bubble.kept.tell()
            self.look()
        self._world.changed()
        if not bubble.webhook:
            return
        posted = await self._world.post(bubble.webhook)
        heard = bubble.state if bubble.state == "read" else "heard"
        bubble.state = heard if posted.good else "refused"
        bubble.note = "" if posted.good else posted.said
        self._note_post(phone, "message", posted=posted)

    def _show(self, phone: Phone, taken: Taken) -> Outcome:
        if taken.deletes:
            phone.lose(taken.id)
            taken.keep()
            return taken.reply
        return self._followed(phone, self._appear(phone, taken))

    def _followed(self, phone: Phone, bubble: Bubble) -> Outcome:
        """The send's answer, and the receipts after it."""
        assert bubble.taken
        self._start(self._follow(phone, bubble))
        return bubble.taken.reply

    async def _follow(self, phone: Phone, bubble: Bubble) -> None:
        await self._read(bubble)
        if not bubble.by_hand:
            await self._report_all(phone, bubble)

    async def _read(self, bubble: Bubble) -> None:
        """What the provider reads by itself after it took the send. A receipt tells when it cannot."""
        attached = bubble.taken and bubble.taken.attached
        if not attached or not attached.url or bubble.state == "failed":
            return
        file = await self._world.read(attached.url)
        wrong = attached.judge(file)
        if wrong:
            bubble.state, bubble.note, bubble.due = "failed", WRONG[wrong], bubble.due and (wrong,)
        else:
            bubble.file = self._held(file)
        self._world.changed()

    def _throttle(self, phone: Phone, taken: Taken) -> Outcome:
        left, early = phone.wait(self._world.now())
        if early:
            self._note(phone, Event(self._world.now(), "out", "came before Retry-After", "too early", good=False))
        return self._of_channel[taken.channel].refuse("throttled", left) if left else self._show(phone, taken)

    def _refuse(self, phone: Phone, taken: Taken) -> Outcome:
        return self._of_channel[taken.channel].refuse(phone.fault, 0)

    def _lose(self, phone: Phone, taken: Taken) -> Outcome:
        """Its receipts wait for the person: the first one tells Parley what became of the send."""
        bubble = self._appear(phone, taken, note="Taken, and the answer was lost.")
        bubble.by_hand = True
        self._start(self._read(bubble))
        return None

    def _close_window(self, phone: Phone, taken: Taken) -> Outcome:
        """Twilio takes the send, asks WhatsApp, and tells in a receipt that it will not be."""
        bubble = self._appear(phone, taken, note="Never shown to the person: the window is closed.")
        bubble.state, bubble.due = "failed", ("refused",)
        return self._followed(phone, bubble)

    def _appear(self, phone: Phone, taken: Taken, *, note: str = "") -> Bubble:
        """On the phone, where its person has it still."""
        known = phone.find(taken.id) if taken.edits else None
        bubble = known or Bubble(taken.id, mine=False, text="", at=self._world.now(), state="taken")
        bubble.text, bubble.taken, bubble.note = taken.text, taken, note
        bubble.file = self._held(taken.attached.file if taken.attached else None)
        bubble.due = () if taken.edits else phone.handset.receipts
        bubble.by_hand = not phone.automatic
        taken.keep()
        if phone.shows(taken):
            phone.receive(bubble)
        return bubble

    async def _report_all(self, phone: Phone, bubble: Bubble) -> None:
        while bubble.due:
            await self._world.pause(RECEIPT_SECONDS)
            await self._report(phone, bubble)

    async def _report(self, phone: Phone, bubble: Bubble) -> None:
        assert bubble.taken
        if not bubble.due:  # somebody was quicker
            return
        state, bubble.due = bubble.due[0], bubble.due[1:]
        channel = phone.handset.channel
        webhook = self._of_channel[channel].receipt(bubble.taken, state, url=self._world.webhook_url(channel))
        bubble.state = bubble.state if bubble.state == "failed" else state
        if webhook is None:
            self._note(phone, Event(self._world.now(), "in", f"receipt {state}", "not asked for", good=True))
            return
        self._note_post(phone, f"receipt {state}", posted=await self._world.post(webhook))

    def _note_post(self, phone: Phone, what: str, *, posted: Posted) -> None:
        event = Event(self._world.now(), "in", what, posted.said, good=posted.good, took_ms=posted.took_ms)
        self._note(phone, event)

    def _note_call(self, phone: Phone, what: str, *, outcome: Outcome) -> None:
        status = str(outcome.status) if outcome else "no answer"
        good = outcome is not None and outcome.status < 400
        self._note(phone, Event(self._world.now(), "out", what, status, good=good))

    def _note(self, phone: Phone, event: Event) -> None:
        phone.note(event)
        self._world.changed()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def state(self) -> list[dict[str, Any]]:
        """Every phone as it is now."""
        return [phone.snapshot(way_of(self._of_channel[name], name)) for name, phone in self.phones.items()]
