"""How does a draft become a reply on Slack, or go? chat.update, chat.delete, and conversations.* to find one again.

https://docs.slack.dev/reference/methods/chat.update/ · https://docs.slack.dev/reference/methods/chat.delete/
A message that we posted brings its metadata along: of a draft the turn, of a reply the delivery.
"""

from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from channels.channel import Answer, Call, DeliveryError, Rejected, Unanswered, Unknown
from channels.payload import items, mapping, string
from channels.presence import DraftManners, Gesture
from channels.slack_errors import taken

DRAFT = "parley_draft"
# Tier 3, "50+ per minute" for each method of an app in a workspace: https://docs.slack.dev/apis/web-api/rate-limits/
MANNERS = DraftManners(chat_seconds=1.5, account_seconds=1.5, stay=True)
LOOKED_THROUGH = 15  # messages; more at once are not given to apps outside of Slack's marketplace
GONE = frozenset({"message_not_found", "channel_not_found", "thread_not_found"})

Ask = Callable[[str, Mapping[str, object]], Call]


@dataclass(frozen=True, slots=True)
class Thread:
    """Where the question was asked; both are empty outside of threads."""

    ts: str
    asked_at: str


def carried(turn_id: str) -> dict[str, object]:
    """Of a draft."""
    return {"event_type": DRAFT, "event_payload": {"turn_id": turn_id}}


def take_the_place(ask: Ask, *, body: Mapping[str, object], ts: str) -> Generator[Call, Answer, bool]:
    """The reply in the place of its draft; to edit again is to edit once. False when the draft cannot become it, and
    has made way for it."""
    call = ask("chat.update", {**body, "ts": ts})
    try:
        try:
            answer = yield call
        except Unknown:
            answer = yield call
        taken(answer)
    except Rejected:
        with suppress(DeliveryError):
            yield ask("chat.delete", {"channel": body["channel"], "ts": ts})
        return False
    except Unknown as lost:
        raise Unanswered(provider_code=lost.provider_code) from None
    return True


def take_back(ask: Ask, *, channel: str, turn_id: str, ts: str, thread: Thread) -> Gesture:
    """Deletes it. One of which nobody heard whether it was posted is looked for by its turn first."""
    ts = ts or (yield from _find(ask, channel=channel, turn_id=turn_id, thread=thread))
    if not ts:
        return
    try:
        taken((yield ask("chat.delete", {"channel": channel, "ts": ts})))
    except DeliveryError as error:
        if error.provider_code not in GONE:
            raise


def _find(ask: Ask, *, channel: str, turn_id: str, thread: Thread) -> Generator[Call, Answer, str]:
    """By what it brings along; "" when it is not there. Of a thread the oldest come first: those after the question."""
    where: dict[str, object] = {"channel": channel, "include_all_metadata": "true", "limit": LOOKED_THROUGH}
    if thread.ts:
        where |= {"ts": thread.ts} | ({"oldest": thread.asked_at} if thread.asked_at else {})
    found = taken((yield ask("conversations.replies" if thread.ts else "conversations.history", where)))
    for message in map(mapping, items(found.get("messages"))):
        brought = mapping(message.get("metadata"))
        if brought.get("event_type") == DRAFT and mapping(brought.get("event_payload")).get("turn_id") == turn_id:
            return string(message.get("ts"))
    return ""
