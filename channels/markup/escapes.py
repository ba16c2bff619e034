"""How is a character kept from formatting? By the provider's own escape; where there is none, by one that looks alike.

WhatsApp and Slack have no escape for * _ ~ and `: one that could open or close something becomes its look-alike.
"""

import re

_ANGLES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
_LOOK_ALIKES = {"*": "\u2217", "_": "\u02cd", "~": "\u223c", "`": "\u02cb", ">": "\u203a"}
_ALONE = r"(?<=\s)[*_~](?=\s)"  # opens nothing, closes nothing
_INSIDE = r"(?<=[A-Za-z0-9])[*_~](?=[A-Za-z0-9])"  # as in snake_case
_FORMATS = re.compile(rf"{_ALONE}|{_INSIDE}|([*_~`]|^[ \t]*>)", re.MULTILINE)
_MAY_FORMAT = re.compile("[*_~`>]")
_TICK_BEFORE_TICK = re.compile("`(?=`)")
_ZERO_WIDTH_SPACE = "\u200b"

# In URLs, where percent-encoding does what a look-alike cannot.
RISKY = re.compile(r"[*_~](?![A-Za-z0-9])|(?<![A-Za-z0-9])[*_~]")
DISCORD_RISKY = re.compile(r"[*~]|_(?![A-Za-z0-9])|(?<![A-Za-z0-9])_|@(?=everyone|here|[!&]?[0-9])", re.IGNORECASE)

# https://docs.discord.com/developers/reference#message-formatting; a backslash before a mark shows the mark.
_DISCORD_MARKS = {ord(mark): "\\" + mark for mark in "\\*_~`|<>[]#"}
_DISCORD_BULLET = re.compile(r"^([ \t]*)([-+])(?=\s)", re.MULTILINE)
# As discord.py's escape_mentions: a backslash does not keep @everyone from ringing.
_MENTION = re.compile(r"@(?=everyone|here|[!&]?[0-9])", re.IGNORECASE)


def angles(text: str) -> str:
    """For Telegram's HTML and for Slack, which ask for these three and no others."""
    return text.translate(_ANGLES)


def attribute(text: str) -> str:
    """For a value between double quotes."""
    return angles(text).replace('"', "&quot;")


def look_alikes(text: str) -> str:
    """For WhatsApp and Slack. Of the same length, and what stands inside a word stays."""
    return _FORMATS.sub(_look_alike, text) if _MAY_FORMAT.search(text) else text


def backslashes(text: str) -> str:
    """For Discord."""
    return mentions(_DISCORD_BULLET.sub(r"\1\\\2", text.translate(_DISCORD_MARKS)))


def mentions(text: str) -> str:
    """For Discord: a mention with something between the @ and the name is none."""
    return _MENTION.sub("@" + _ZERO_WIDTH_SPACE, text)


def apart(text: str) -> str:
    """For a code block: no two ticks in a row, so none ends it."""
    return _TICK_BEFORE_TICK.sub("`" + _ZERO_WIDTH_SPACE, text)


def without_ticks(text: str) -> str:
    """For code in a line, which a tick would end."""
    return text.replace("`", _LOOK_ALIKES["`"])


def _look_alike(match: re.Match[str]) -> str:
    if not match[1]:
        return match[0]
    return match[1][:-1] + _LOOK_ALIKES[match[1][-1]]
