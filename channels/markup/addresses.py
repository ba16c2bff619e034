"""Where is a URL, how is it written so that it formats nothing, and may words stand in its place?

Only http and https become links: `tg://user?id=` would mention somebody, `javascript:` is nobody's friend.
"""

import re
import unicodedata
from urllib.parse import quote, unquote

from markdown_it.rules_inline import StateInline

_WEB = re.compile(r"https?://[^\s<>\"`\[\]\\|^{}]+", re.IGNORECASE)
_LINKED = re.compile(r"https?://[^/?#]", re.IGNORECASE)
_SCHEME = re.compile(r"(?:^|[^a-z0-9.+-])(https?)$", re.IGNORECASE)
_LONGEST_SCHEME = 6  # and the character before it
_TRAILING = ".,;:!?*_~'\u2026\u3002"
_NOT_IN_URLS = re.compile(r"[\s<>\"\\^`{|}\x00-\x1f\x7f]")
# What a reader takes for an address: anywhere with a scheme, `www.`, an `@` or an ending that is hardly anything else,
# and any name with a dot where it is the first thing.
_NAME = r"[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}"
_LOOKS_LIKE_ONE = re.compile(
    rf"(?:\b[a-z][a-z0-9+.-]{{0,20}}://|www\.|\A[a-z][a-z0-9+.-]{{0,20}}:)\S+|[\w.+-]{{1,64}}@{_NAME}"
    rf"|\A[\w-]{{1,63}}\.{_NAME}(?:[/:?#]\S*|\Z)|\b{_NAME}\.(?:com|org|net|info|biz|gov|edu)\b(?:[/:?#]\S*)?",
    re.IGNORECASE,
)
_LONGEST_WORDS = 1_000
_BEFORE_HOST = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//(?:[^/?#]*@)?|mailto:", re.IGNORECASE)
_AFTER_HOST = re.compile(r"[/?#:]")


def is_web(url: str) -> bool:
    """True for what a chat may link to."""
    return bool(_LINKED.match(url))


def hides(label: str, url: str) -> bool:
    """True when something in the words looks like an address, and like another one than they lead to. What cannot be
    seen, such as a zero-width space, does not count, and what looks wide, or like a dot, is read as a browser would."""
    label = unicodedata.normalize("NFKC", label)
    seen = "".join(each for each in label if unicodedata.category(each) != "Cf").strip()
    if len(seen) > _LONGEST_WORDS:  # of a link; looking through a book takes a while
        return True
    return any(not _leads_to(found[0], url) for found in _LOOKS_LIKE_ONE.finditer(seen))


def _leads_to(named: str, url: str) -> bool:
    """True when the URL begins with what the words name; also of a host below theirs, where they name no more."""
    name, target = _compared(named), _compared(url)
    host, beyond = _AFTER_HOST.split(target, 1)[0], target[len(name) :]
    if not _AFTER_HOST.search(name) and host.endswith("." + name):
        return True
    return target.startswith(name) and (not beyond or bool(_AFTER_HOST.match(beyond)))


def _compared(address: str) -> str:
    """From its host on, or from the name of a mail address; without what ends a sentence."""
    rest = unquote(_BEFORE_HOST.sub("", address, count=1) if _BEFORE_HOST.match(address) else address).lower()
    return rest.removeprefix("www.").rstrip(_TRAILING + "/)'\"")


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
