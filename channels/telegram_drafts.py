"""How is a reply shown on Telegram while it is written? A preview in private chats, an edited message in groups.

https://core.telegram.org/bots/api#sendmessagedraft · https://core.telegram.org/bots/api#editmessagetext
A bot cannot look for its own messages: what was posted while nobody heard the answer stays there. So groups have drafts
only where the account wants them in spite of that.
"""

import re
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from hashlib import sha256

from channels import telegram_errors
from channels.channel import Answer, Call, DeliveryError, Outgoing, Rejected, Unanswered, Unavailable, Unknown
from channels.payload import string
from channels.presence import DraftManners, Gesture

IN_GROUPS = "progressive_in_groups"  # the account's option
# About one message a second in a chat, and thirty a second in all: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits
PREVIEWS = DraftManners(chat_seconds=1.0, account_seconds=0.05, stay=False)
# Twenty a minute in a group, and edits are among them: a draft is shown only while all that replies may need is free.
MESSAGES = DraftManners(chat_seconds=4.0, account_seconds=0.05, stay=True, counted=True)
_GROUP = re.compile(r"-[0-9]{1,19}(:[0-9]{1,19})?", re.ASCII)
_MESSAGE = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_GONE = ("message to delete not found", "message can't be deleted", "message identifier is not specified")

Ask = Callable[[str, Mapping[str, object]], Call]


def manners(outgoing: Outgoing) -> DraftManners | None:
    """A person's chat has a number, a group's is below zero, and a channel's begins with @."""
    if outgoing.chat_id.isdigit():
        return PREVIEWS
    wanted = outgoing.options.get(IN_GROUPS) == "on"
    return MESSAGES if wanted and _GROUP.fullmatch(outgoing.chat_id) else None


def number_of(turn_id: str) -> int:
    """Of a preview: the same for all of a turn."""
    return int.from_bytes(sha256(turn_id.encode()).digest()[:4], "big") >> 1 or 1


def is_message(draft: str) -> bool:
    """Whether it is one that can be edited."""
    return bool(_MESSAGE.fullmatch(draft))


def edit(ask: Ask, outgoing: Outgoing, *, chat: Mapping[str, object], plain: bool = False) -> Call:
    """The whole text anew. In a topic the message is named by the chat alone."""
    said = {"text": outgoing.plain} if plain else {"text": outgoing.text, "parse_mode": "HTML"}
    where = {"chat_id": chat["chat_id"], "message_id": int(outgoing.draft)}
    return ask("editMessageText", {**where, **said, "link_preview_options": {"is_disabled": True}})


def edited(answer: Answer) -> bool:
    """Whether it says now what it was to say. Raises why not, unless it is the HTML."""
    told = telegram_errors.content(answer)
    if told.get("ok") is True or "message is not modified" in string(told.get("description")).lower():
        return True
    if telegram_errors.refuses_html(answer):
        return False
    raise telegram_errors.refusal(answer)


def take_the_place(ask: Ask, outgoing: Outgoing, *, chat: Mapping[str, object]) -> Generator[Call, Answer, bool]:
    """The reply in the place of its draft; to edit again is to edit once. False when the draft cannot become it, and
    has made way for it.
    """
    try:
        if (yield from _surely(edit(ask, outgoing, chat=chat))):
            return True
        if outgoing.plain and (yield from _surely(edit(ask, outgoing, chat=chat, plain=True))):
            return True
    except Rejected:
        pass
    except Unknown as lost:
        raise Unanswered(provider_code=lost.provider_code) from None
    with suppress(DeliveryError):
        yield _deletion(ask, outgoing, chat=chat)
    return False


def take_back(ask: Ask, outgoing: Outgoing, *, chat: Mapping[str, object]) -> Gesture:
    """Deletes it. Raises when nobody knows which it is."""
    if not is_message(outgoing.draft):
        raise Unavailable(provider_code="cannot_be_found")
    answer = yield _deletion(ask, outgoing, chat=chat)
    told = telegram_errors.content(answer)
    if told.get("ok") is not True and not string(told.get("description")).lower().endswith(_GONE):
        raise telegram_errors.refusal(answer)


def _deletion(ask: Ask, outgoing: Outgoing, *, chat: Mapping[str, object]) -> Call:
    return ask("deleteMessage", {"chat_id": chat["chat_id"], "message_id": int(outgoing.draft)})


def _surely(call: Call) -> Generator[Call, Answer, bool]:
    try:
        answer = yield call
    except Unknown:
        answer = yield call
    return edited(answer)
