"""How is a text read the way a person sees it? Without what is invisible, in one case, in Latin look-alikes, as words.

Texts and the words of rules go through the same fold, so a rule in Russian still meets Russian.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

# Compatibility signs may unfold into many letters, and marks may be heaped up: this is all that is read.
MOST_CHARACTERS = 5_000
LONGEST_REMEMBERED, MOST_REMEMBERED = 12, 4_096
END, _SEAM = "\n", "\x01"

# Zero-width and bidi controls, soft hyphen, fillers, variation selectors. Tags are letters in disguise, see below.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff9-\ufffb\U000e0100-\U000e01ef]"
)
_TAGS = re.compile("[\U000e0001-\U000e007f]")
_MARKS = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0640\u064b-\u065f\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
_FOREIGN = re.compile("([^\x00-\x7f]+)")
# Vowel signs of the scripts of India, Thailand and Arabia belong to their words, and are no letters to Python.
_BETWEEN = re.compile("[^\\w$@|!\n\u064b-\u0652\u0900-\u0963\u0966-\u0d7f\u0e31-\u0e4e]+")
_FULL_STOPS = re.compile("[。！？；…]+")
# Scripts without spaces: each sign is a word.
_SIGNS = re.compile("([\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])")
_QUOTES = re.compile("[’‘´ʼ]")

# In ASCII, what is neither letter nor digit parts words, but for the signs that stand for letters: p@$$, k!ll.
_STOP = "\x02"
_KEPT = frozenset("@$!|\n\x01")
_ASCII: dict[int, str | None] = {n: " " for n in range(128) if not (chr(n).isalnum() or chr(n) in _KEPT)}
_ASCII |= {n: chr(n).lower() for n in range(ord("A"), ord("Z") + 1)} | {ord(each): _STOP for each in ".?;"}
_ASCII |= {ord("'"): None, ord("`"): None, ord("\r"): None}

# Letters that are drawn like Latin ones. NFKC has already undone fullwidth, circled and mathematical letters.
_TWINS = (
    ("абсԁеёһіїјкӏмнорԛѕтуѵԝхүҮ", "abcdeehiijklmhopqstyvwxyy"),
    ("αβγδεηικμνορτυχωϲϳ", "abydeniklvoptuxwcj"),
    ("ɑɡıɩʟɴʀʏᴀʙᴄᴅᴇɢʜᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢ", "agiilnryabcdeghjkmoptuvwz"),
    ("øđħŧłŋɨƚƙɓɗɛɔəԍցոսօհզ", "odhtlniikbdeoagqnuohq"),
    ("ⅼⅰⅴⅹⅽⅾⅿ∨∪⍺℮", "livxcdmvuae"),
)
_TWIN = {ord(odd): plain for odds, plains in _TWINS for odd, plain in zip(odds, plains, strict=True)}


@dataclass(frozen=True, slots=True)
class Folded:
    """`plain` keeps case and signs, for patterns about them; `text` is words with spaces, sentences ended by END."""

    plain: str
    text: str
    disguised: bool


def fold(given: str) -> Folded:
    """Costs a few passes over the text, whatever is in it."""
    if given.isascii():
        return Folded(given, _spaced(given), disguised=False)
    parts = _FOREIGN.split(given)
    runs = [_known_run(run) if len(run) <= LONGEST_REMEMBERED else _run(run) for run in parts[1::2]]
    plain, text = parts[:], _spaced(_SEAM.join(part.replace(_SEAM, "") for part in parts[::2])).split(_SEAM)
    plain[1::2] = [run.plain for run in runs]
    words = [""] * len(parts)
    words[::2], words[1::2] = text, [run.text for run in runs]
    # No language puts look-alikes and Latin letters into one word.
    mixed = any(run.twins and (text[n][-1:].isalpha() or text[n + 1][:1].isalpha()) for n, run in enumerate(runs))
    disguised = mixed or any(run.hidden for run in runs)
    return Folded("".join(plain)[:MOST_CHARACTERS], "".join(words)[:MOST_CHARACTERS], disguised)


def sentences(text: str) -> list[list[str]]:
    """The words of a folded text, by sentence."""
    return [words for each in text.split(END) if (words := each.split())]


def _spaced(text: str) -> str:
    """ASCII as words. A stop ends a sentence only before a space, so 3.5 and node.js do not."""
    text = text.translate(_ASCII).replace("\n\n", f"{_STOP} ").replace("\n", " ")
    return text.replace("! ", END).replace(f"{_STOP} ", END).replace(_STOP, " ")


@dataclass(frozen=True, slots=True)
class _Run:
    """Letters beyond ASCII: as seen, as words, whether something was hidden in them, and whether look-alikes were."""

    plain: str
    text: str
    hidden: bool
    twins: bool


def _run(run: str) -> _Run:
    shown = _TAGS.sub(_untagged, _INVISIBLE.sub("", run))
    bare = _MARKS.sub("", shown)
    plain = unicodedata.normalize("NFKC", bare[:MOST_CHARACTERS])[:MOST_CHARACTERS]
    text = latin = _MARKS.sub("", unicodedata.normalize("NFD", plain.casefold()))
    twins = False
    styled = plain.isascii() and any(map(str.isalnum, plain))
    if not text.isascii():
        latin = unicodedata.normalize("NFC", text.translate(_TWIN))
        twins = latin != unicodedata.normalize("NFC", text)
    if _SIGNS.search(latin):
        latin = f" {' '.join(_SIGNS.split(latin))} "
    clean = _BETWEEN.sub(" ", _FULL_STOPS.sub(END, _QUOTES.sub("", latin)))
    return _Run(plain, clean, len(shown) != len(run) or styled, twins)


_known_run = lru_cache(MOST_REMEMBERED)(_run)


def _untagged(tag: re.Match[str]) -> str:
    code = ord(tag[0]) - 0xE0000
    return chr(code) if 0x20 <= code < 0x7F else ""
