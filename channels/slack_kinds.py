"""Which of Slack's events say nothing to the app? Of all others that nobody here reads the body is kept.

https://docs.slack.dev/reference/events/
"""

from collections.abc import Mapping
from typing import Any

from channels.payload import string

LONGEST_KIND = 40
_READ = frozenset({"message", "app_mention", "reaction_added", "reaction_removed"})
# Of our own posts, of what people look at, of what a message says as well; and that the app's access has ended.
_ASIDE = frozenset(
    {
        *("message_metadata_posted", "message_metadata_updated", "message_metadata_deleted"),
        *("app_home_opened", "assistant_thread_started", "assistant_thread_context_changed", "link_shared"),
        *("file_shared", "file_public", "file_created", "file_change", "file_deleted", "file_unshared"),
        *("member_joined_channel", "member_left_channel", "pin_added", "pin_removed"),
        *("app_uninstalled", "tokens_revoked"),
    }
)
# What a message may be beside somebody's words: about the channel, or a program's.
_OF_A_CHANNEL = ("archive", "unarchive", "join", "leave", "name", "purpose", "topic")
_SUBTYPES = frozenset(
    {
        *("", "file_share", "thread_broadcast", "me_message", "message_changed", "message_deleted", "message_replied"),
        *(f"{where}_{what}" for where in ("channel", "group") for what in _OF_A_CHANNEL),
        *("channel_posting_permissions", "channel_convert_to_private", "ekm_access_denied", "pinned_item"),
        *("bot_message", "bot_add", "bot_remove", "reminder_add", "tombstone", "huddle_thread", "assistant_app_thread"),
        *("file_comment", "file_mention", "document_mention", "reply_broadcast", "unpinned_item"),
    }
)


def unread(event: Mapping[str, Any]) -> str:
    """The kind of an event that nobody here reads; "" of those that are read, and of those that say nothing to us."""
    kind, subtype = string(event.get("type")), string(event.get("subtype"))
    if kind in _ASIDE or (kind in _READ and subtype in _SUBTYPES):
        return ""
    return f"{kind}.{subtype}"[:LONGEST_KIND].strip(".") or "no type"
