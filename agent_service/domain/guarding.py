"""What do the guardrails make of a turn? What the contact wrote is looked at before the model is, and its answer before
anybody reads it."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain

from agent_service.domain import files
from agent_service.domain.draft import SUPPRESSED, Draft, Ending
from agent_service.domain.guard.findings import Context
from agent_service.domain.guard.guard import Guard
from parley.chat.v1.message_pb2 import Message, Role
from parley.storage.v1.turn_requests_pb2 import LeasedTurn

CONTACT, AGENT = Role.ROLE_CONTACT, Role.ROLE_AGENT


async def of_input(draft: Draft, guard: Guard) -> Ending | None:
    """Ends the turn when what was written is refused. The contact is told: silence would look like a fault."""
    written = [_written(each) for each in draft.turn.messages]
    decision = await guard.input(draft.turn.tenant_id, written, language=draft.language)
    draft.restricted, draft.judged = decision.restricts_tools, decision.judged
    return Ending(SUPPRESSED, decision.reason, (draft.say("refused"),)) if decision.blocks else None


def withheld(draft: Draft, guard: Guard) -> str:
    """Why the answer is withheld, if it is. The turn has failed then: the fault is ours, and an operator sees it."""
    return guard.output(draft.turn.tenant_id, draft.answer.text, context=_context(draft.turn)).reason


def lets_pass(draft: Draft, guard: Guard, *, text: str) -> bool:
    """Whether this much of an answer may be seen before it is whole. What it meets is counted when it is."""
    return guard.lets_pass(text, context=_context(draft.turn))


def _context(turn: LeasedTurn) -> Context:
    return Context(turn.setting.system_prompt, _Said(turn))


@dataclass(frozen=True, slots=True)
class _Said:
    """What was written in the conversation, what is old in short. Few answers are compared with it, so it is read only
    then."""

    turn: LeasedTurn

    def __iter__(self) -> Iterator[str]:
        return chain((self.turn.setting.summary,), map(_written, chain(self.turn.history, self.turn.messages)))


async def drop_refused(turn: LeasedTurn, guard: Guard | None, *, refusals: Collection[str]) -> None:
    """What was refused before is no history for the model either: what stands before a refusal, and whatever the rules
    would refuse. That may have been said where nobody looked, as to a human, or stand apart from its refusal."""
    kept: list[Message] = []
    for message in turn.history:
        if message.role == AGENT and message.text in refusals:
            while kept and kept[-1].role == CONTACT:
                kept.pop()
        elif message.role != CONTACT or guard is None or not await guard.refuses(_written(message)):
            kept.append(message)
    if len(kept) < len(turn.history):
        turn.ClearField("history")
        turn.history.extend(kept)


def _written(message: Message) -> str:
    """What a person wrote: the text, and what stands under, in and on attachments."""
    if not message.attachments:
        return message.text
    return "\n".join(filter(None, (message.text, *chain.from_iterable(map(files.words, message.attachments)))))
