"""Where is a long reply cut? At the roughest joint that keeps each part within the channel's limit.

Blank line, line, sentence, space, and only then between two characters as a person sees them.
"""

import re
import unicodedata
from bisect import bisect_left

from channels.channel import TextLimit
from channels.segments import Segmenting
from channels.text import clean

_CLOSING = "\"')\\]\u201d\u2019"
_SENTENCE_END = re.compile(f"[.!?\u2026][{_CLOSING}]*(?=\\s)|[\u3002\uff01\uff1f]")  # the last three: 。 and its kin
_LEAST_SHARE = 4  # a joint in the first quarter of a part is worse than a finer one behind it
_ZERO_WIDTH_JOINER = "\u200d"
_JOINING_CATEGORIES = frozenset({"Mn", "Me", "Mc"})
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_FLAG_LETTERS = range(0x1F1E6, 0x1F200)
_FLAG_TAGS = range(0xE0020, 0xE0080)
_HANGUL_LEADING = range(0x1100, 0x1160)
_HANGUL_FOLLOWING = range(0x1160, 0x1200)


def split(text: str, limit: TextLimit) -> list[str]:
    """The parts in order; none is blank or over the limit, and only white space is lost between them."""
    rest = clean(text).replace("\r\n", "\n")
    parts = []
    while rest and not rest.isspace():
        reach = _reach(rest, limit)
        cut = reach if reach == len(rest) else joint(rest, reach)
        part = rest[:cut]
        rest = rest[cut:]
        if rest:
            part, rest = part.rstrip(), rest.lstrip()
        if part and not part.isspace():
            parts.append(part)
    return parts


def fits(text: str, limit: TextLimit) -> bool:
    """Whether it goes out in one part."""
    return not text or _reach(text, limit) == len(text)


def _reach(text: str, limit: TextLimit) -> int:
    """How many code points from the start fit; at least one, so that every text ends."""
    head = text[: limit.size]
    if head.isascii():  # one unit a character, whichever is counted
        pass
    elif limit.unit == "utf16":
        head = head.encode("utf-16-le")[: limit.size * 2].decode("utf-16-le", "ignore")
    elif limit.unit == "bytes":
        head = head.encode()[: limit.size].decode("utf-8", "ignore")
    fits = len(head) if limit.segments is None else _within_segments(head, limit.segments)
    return max(1, fits)


def _within_segments(head: str, segments: Segmenting) -> int:
    """How much of it one message may hold. More characters are never of fewer segments."""
    return bisect_left(range(1, len(head) + 1), True, key=lambda length: not segments.holds(head[:length]))


def joint(text: str, reach: int) -> int:
    """The best place to cut at or before `reach`, which lies inside the text."""
    least = reach // _LEAST_SHARE
    for cut in (
        text.rfind("\n\n", 0, reach + 2),
        text.rfind("\n", 0, reach + 1),
        _last_sentence(text, reach),
        _last_space(text, reach),
    ):
        if cut > least and _between(text, cut):
            return cut
    return next((cut for cut in range(reach, 0, -1) if _between(text, cut)), reach)


def _last_sentence(text: str, reach: int) -> int:
    return max((match.end() for match in _SENTENCE_END.finditer(text, 0, reach + 1) if match.end() <= reach), default=0)


def _last_space(text: str, reach: int) -> int:
    return next((index for index in range(reach, 0, -1) if text[index].isspace()), 0)


def _between(text: str, cut: int) -> bool:
    """True when no character that a person sees lies on both sides. UAX 29's rules, as far as chats need them."""
    before, after = text[cut - 1], text[cut]
    if before.isascii() and after.isascii():
        return True
    point = ord(after)
    if _ZERO_WIDTH_JOINER in (before, after) or unicodedata.category(after) in _JOINING_CATEGORIES:
        return False
    if point in _SKIN_TONES or point in _FLAG_TAGS:
        return False
    if point in _HANGUL_FOLLOWING:
        return not (ord(before) in _HANGUL_LEADING or ord(before) in _HANGUL_FOLLOWING)
    return not (point in _FLAG_LETTERS and _letters_before(text, cut) % 2)


def _letters_before(text: str, cut: int) -> int:
    """How many letters of flags stand in a row before the cut: two make a flag."""
    start = cut
    while start > 0 and ord(text[start - 1]) in _FLAG_LETTERS:
        start -= 1
    return cut - start
