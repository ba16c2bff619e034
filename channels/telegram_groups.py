"""Is something in a group said to our bot? What names it, what answers it, and a command that names no other bot.

A bot that is an admin, or whose privacy mode is off, hears all that people say to each other.
https://core.telegram.org/bots/features#privacy-mode
"""

import re
from typing import Any

from channels.payload import mapping, string

_GROUPS = ("group", "supergroup")
_COMMAND = re.compile(r"/[A-Za-z0-9_]{1,64}(?:@([A-Za-z0-9_]{1,64}))?(?=\s|$)", re.ASCII)
_NAME = re.compile(r"@([A-Za-z0-9_]{1,64})", re.ASCII)


def is_aside(update: dict[str, Any], name: str) -> bool:
    """`name` is the bot's, with its @. What people do with our own messages, such as press a button, is said to us."""
    said = mapping(update.get("message")) or mapping(update.get("edited_message"))
    if mapping(said.get("chat")).get("type") not in _GROUPS or said.get("direct_messages_topic"):
        return False
    ours, text = name.removeprefix("@").lower(), string(said.get("text")) or string(said.get("caption"))
    if command := _COMMAND.match(text):
        return (command[1] or ours).lower() != ours
    answered = string(mapping(mapping(said.get("reply_to_message")).get("from")).get("username"))
    return ours not in {answered.lower(), *(named.lower() for named in _NAME.findall(text))}
