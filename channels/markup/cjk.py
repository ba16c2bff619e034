"""Where does **bold** end in a script without spaces? Where its writer meant it, be it beside a punctuation mark.

By CommonMark a star between a mark and a letter neither opens nor closes, so **「無料」**です would keep its stars, and
models write just that. Beside Chinese, Japanese and Korean characters a mark counts as none, as in
https://github.com/tats-u/markdown-cjk-friendly/blob/main/specification.md
"""

import re

from markdown_it.common.utils import isMdAsciiPunct, isPunctChar, isWhiteSpace
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter

STAR = "*"
# Radicals, marks and kana; Hangul; unified ideographs of both planes; compatibility, vertical and full-width forms.
_CJK = re.compile(
    "[\u1100-\u11ff\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff]"
)


def rule(state: StateInline, silent: bool) -> bool:
    """A run of stars beside such a character; every other one is the library's."""
    if silent or state.src[state.pos] != STAR:
        return False
    found = state.scanDelims(state.pos, True)
    before, after = state.src[: state.pos][-1:] or " ", state.src[state.pos + found.length :][:1] or " "
    if not (_CJK.match(before) or _CJK.match(after)):
        return False
    for _ in range(found.length):
        state.push("text", "", 0).content = STAR
        at = len(state.tokens) - 1
        opens, closes = _reaches(after, before), _reaches(before, after)
        state.delimiters.append(Delimiter(ord(STAR), found.length, at, end=-1, open=opens, close=closes))
    state.pos += found.length
    return True


def _reaches(inside: str, outside: str) -> bool:
    """Whether a run between the two belongs to what stands on its inner side."""
    if _is_space(inside):
        return False
    return not _is_mark(inside) or _is_space(outside) or _is_mark(outside) or bool(_CJK.match(outside))


def _is_space(character: str) -> bool:
    return isWhiteSpace(ord(character))


def _is_mark(character: str) -> bool:
    """Of a script with spaces."""
    return (isMdAsciiPunct(ord(character)) or isPunctChar(character)) and not _CJK.match(character)
