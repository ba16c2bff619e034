"""Where is a URL, how is it written so that it formats nothing, and may words stand in its place?

Only http and https become links: `tg://user?id=` would mention somebody, `javascript:` is nobody's friend.
"""

import re
from urllib.parse import quote

from markdown_it.rules_inline import StateInline

_WEB = re.compile(r"https?://[^\s<>\"`\[\]\\|^{}]+", re.IGNORECASE)
_LINKED = re.compile(r"https?://[^/?#]", re.IGNORECASE)
_SCHEME = re.compile(r"(?:^|[^a-z0-9.+-])(https?)$", re.IGNORECASE)
_LONGEST_SCHEME = 6  # and the character before it
_TRAILING = ".,;:!?*_~'\u2026\u3002"
_NOT_IN_URLS = re.compile(r"[\s<>\"\\^`{|}\x00-\x1f\x7f]")
_LOOKS_LIKE_ONE = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:|www\.|[\w-]+(?:\.[\w-]+)+(?:[/:?#]|\s*$))", re.IGNORECASE)


def is_web(url: str) -> bool:
    """True for what a chat may link to."""
    return bool(_LINKED.match(url))


def hides(label: str, url: str) -> bool:
    """True when the words look like an address, and like another one than they lead to."""
    return bool(_LOOKS_LIKE_ONE.match(label)) and label.strip().lower() not in url.lower()


def written(url: str, unsafe: re.Pattern[str] | None = None) -> str:
    """The URL with what no URL holds, and what the channel would format, percent-encoded: it leads to the same page."""
    url = _NOT_IN_URLS.sub(_encoded, url)
    return unsafe.sub(_encoded, url) if unsafe else url


def rule(state: StateInline, silent: bool) -> bool:
    """A rule of the library's: a URL in the text is one token, so that no `_` or `*` in it is emphasis."""
    start, source = state.pos, state.src
    if source[start] != ":" or not source.startswith("://", start) or state.linkLevel:
        return False
    scheme = _SCHEME.search(source[max(0, start - _LONGEST_SCHEME) : start])
    if not scheme:
        return False
    found = _WEB.match(source, start - len(scheme[1]), state.posMax)
    url = _without_trailing(found[0]) if found else ""
    if len(url) <= len(scheme[1]) + len("://"):
        return False
    if not silent:
        if not state.pending.endswith(scheme[1]):  # the scheme is part of an escape or of another token
            return False
        state.pending = state.pending[: -len(scheme[1])]
        state.push("address", "", 0).content = url
    state.pos += len(url) - len(scheme[1])
    return True


def _without_trailing(url: str) -> str:
    """Without what ends a sentence rather than an address. Of a `)` those that were opened stay."""
    surplus = url.count(")") - url.count("(")
    end = len(url)
    while end:
        last = url[end - 1]
        if last == ")" and surplus > 0:
            surplus -= 1
        elif last not in _TRAILING:
            break
        end -= 1
    return url[:end]


def _encoded(match: re.Match[str]) -> str:
    character = match[0]
    return f"%{ord(character):02X}" if character.isascii() else quote(character, safe="")
