"""What do the guardrails make of a turn? What the contact wrote is looked at before the model is, and its answer before
anybody reads it."""

from agent_service.domain.draft import FAILED, SUPPRESSED, Draft, Ending
from agent_service.domain.guard.findings import Context
from agent_service.domain.guard.guard import Guard
from agent_service.domain.guard.telling import without_refused
from parley.chat.v1.message_pb2 import Message
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, Usage


async def of_input(draft: Draft, guard: Guard) -> Ending | None:
    """Ends the turn when what was written is refused. The contact is told: silence would look like a fault."""
    decision = await guard.input(draft.turn.tenant_id, [_written(each) for each in draft.turn.messages])
    draft.restricted = decision.restricts_tools
    return Ending(SUPPRESSED, decision.reason, (decision.tell,)) if decision.blocks else None


def of_output(draft: Draft, guard: Guard, *, usage: Usage, kept: str) -> Ending | None:
    """An answer was due and is withheld, so the turn has failed: the fault is ours, and an operator sees it."""
    turn = draft.turn
    said = [_written(message) for message in (*turn.history, *turn.messages)]
    context = Context(turn.setting.system_prompt, said)
    decision = guard.output(turn.tenant_id, draft.answer.text, context=context)
    return Ending(FAILED, decision.reason, (decision.tell,), usage, kept) if decision.blocks else None


def drop_refused(turn: LeasedTurn) -> None:
    """What was refused before is no history for the model either."""
    kept = without_refused(turn.history)
    if len(kept) < len(turn.history):
        turn.ClearField("history")
        turn.history.extend(kept)


def _written(message: Message) -> str:
    """What a person wrote: the text, and what stands under attachments."""
    return "\n".join(filter(None, (message.text, *(each.caption for each in message.attachments))))
