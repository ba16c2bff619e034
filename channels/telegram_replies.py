"""Which message does a part of a reply quote on Telegram? In a group the one that it answers, so that all see whom.

Of several parts the first does. In a thread each does: what quotes nothing stands outside of it, as under a post.
https://core.telegram.org/bots/api#replyparameters
"""

from channels.channel import Outgoing
from channels.telegram_updates import THREAD, message_number

_GROUP = "group"  # the type of a chat whose messages are numbered otherwise once it is a supergroup
_SUPERGROUPS = -1_000_000_000_000  # they are below: https://core.telegram.org/api/bots/ids


def quoted(outgoing: Outgoing, chat_id: str) -> int:
    """Its number; 0 where none is quoted."""
    if not chat_id.startswith("-") or (outgoing.part > 0 and THREAD not in outgoing.reply_metadata):
        return 0
    if outgoing.reply_metadata.get("chat_type") == _GROUP and int(chat_id) < _SUPERGROUPS:
        return 0  # what is answered has another number here, which nobody knows
    return message_number(outgoing.reply_to)
