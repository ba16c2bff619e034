"""Has enough been said for now? Turns of a conversation in an hour, and tokens of a tenant in a day, have an end.

So that two agents wired to each other stop, the contact is told once, and then there is silence. Whether they were told
is read from the history: nothing else remembers it.
"""

from datetime import datetime, timedelta

from agent_service.domain import kept_conversations
from agent_service.domain.draft import FAILED, SUPPRESSED, Draft, Ending
from kit.moments import moment
from parley.chat.v1.message_pb2 import Role
from parley.storage.v1.turn_requests_pb2 import TurnSetting

REASON = "budget_spent"
DEFAULT_TURNS_PER_HOUR = 200
# The sentence may come as late as this many turns over the limit: commands and refused commits took the first ones.
LATEST = 3
HOUR = timedelta(hours=1)


def spend(draft: Draft, now: datetime) -> Ending | None:
    """Ends the turn when a budget is spent: with a sentence the first time, with silence afterwards."""
    setting = draft.turn.setting
    over = setting.turns_in_hour - (setting.manners.turns_per_hour or DEFAULT_TURNS_PER_HOUR)
    if over > 0:
        return _ending(draft, "turns_spent", told=over > LATEST or _was_told(draft, "turns_spent", since=now - HOUR))
    if day_is_spent(setting):
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return _ending(draft, "tokens_spent", told=_was_told(draft, "tokens_spent", since=midnight))
    return None


def day_is_spent(setting: TurnSetting) -> bool:
    """Whether the tenant has no tokens left for today."""
    most = setting.manners.tokens_per_day
    return 0 < most <= setting.tenant_tokens_today


def _ending(draft: Draft, sentence: str, *, told: bool) -> Ending:
    if told:
        return Ending(SUPPRESSED, REASON)
    return Ending(FAILED, REASON, (draft.say(sentence),), model_conversation=kept_conversations.unheard(draft.turn))


def _was_told(draft: Draft, sentence: str, *, since: datetime) -> bool:
    wordings = draft.texts.every(sentence)
    return any(
        message.role == Role.ROLE_AGENT and message.text in wordings and moment(message.created_at) >= since
        for message in draft.turn.history
    )
