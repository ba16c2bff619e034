"""How does Slack write text? Three characters escaped, and people, channels and links in angle brackets.

https://docs.slack.dev/messaging/formatting-message-text/
"""

import re

# <@U1>, <@U1|ann>, <#C1|general>, <!here>, <!date^1^x|Monday>, <https://example.com|a label>. Whatever else stands in
# brackets was not written by Slack, and stays.
_REFERENCE = re.compile(r"<([@#!][^<>|]*|[a-z][a-z0-9+.-]*:[^<>|]*)(?:\|([^<>]*))?>", re.ASCII)
_MENTION = re.compile(r"\s*<@([A-Z0-9]+)(?:\|[^<>]*)?>[\s:,]*", re.ASCII)
_ADDRESSES = ("mailto:", "tel:")


def escaped(text: str) -> str:
    """The text as it is shown letter by letter: nothing in it can call a channel, name a person or hide a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(text: str) -> str:
    """The text as a person read it when they wrote it."""
    shown = _REFERENCE.sub(_shown, text)
    return shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")  # & last: "&amp;lt;" is "&lt;"


def without_mention(text: str, user_id: str) -> str:
    """The text, still as Slack writes it, without the mention of this user (for "": of anyone) at its beginning."""
    mention = _MENTION.match(text)
    return text[mention.end() :] if mention and user_id in {"", mention[1]} else text


def _shown(reference: re.Match[str]) -> str:
    target, label = reference[1], reference[2] or ""
    sign, name = target[0], target[1:]
    if sign in "@#":
        return sign + (label.removeprefix(sign) or name)
    if sign == "!":
        return label or "@" + name.partition("^")[0]
    if target.startswith(_ADDRESSES):
        return label or target.partition(":")[2]
    return f"{label} ({target})" if label and label not in target else target
