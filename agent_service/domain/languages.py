"""Which language does the contact write in? Found out per message, and kept until it is clear that it changed.

A message tells a language or nothing. The conversation's language changes at once when a message is sure, else when
two in a row agree; one that the contact chose never changes by itself.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import filterfalse
from math import exp
from typing import NamedTuple, Protocol

from agent_service.domain.language_words import ENDINGS, EVERYWHERE, INSIDE, LETTERS, WORDS
from parley.storage.v1.conversation_change_pb2 import Language

# As the model is told.
NAMES = {
    "en": "English",
    "es": "Spanish",
    "pt": "Portuguese",
    "fr": "French",
    "de": "German",
    "it": "Italian",
    "nl": "Dutch",
    "pl": "Polish",
    "ru": "Russian",
    "uk": "Ukrainian",
    "tr": "Turkish",
    "ar": "Arabic",
    "hi": "Hindi",
    "zh": "Chinese",
    "ja": "Japanese",
    "ko": "Korean",
}
SURE, AT_ALL = 0.8, 0.45
# A few words switch nothing by themselves: people say "hola" and "thank you" in any language, and name places.
FEW_WORDS, MOST_OF_FEW = 3, 0.75
# Beyond this nothing gets surer.
MOST_EVIDENCE = 20.0
# No more of a text is looked at.
MOST_CHARACTERS = 400
# Words that were weighed lately: what people write repeats itself at once.
MOST_REMEMBERED = 4_096
NO_WORDS = re.compile(
    r"https?://\S+|www\.\S+|\S+@\S+|[@#/]\w+|\b\w*\d\w*\b|\b[\w-]+\.(?:com|net|org|io|br|es|mx|pt)\S*"
)
# Without one of these there is nothing of the kind, which is seen in a tenth of the time.
MAY_BE_NO_WORDS, MAY_BE_QUOTED = re.compile(r"[@#/\d]|\.\S"), re.compile('[":\u201c\u00ab]')
# Somebody else's words: in quotes, or what a screen says after a colon.
QUOTED = re.compile(r"\"[^\"]*\"|\u201c[^\u201d]*\u201d|\u00ab[^\u00bb]*\u00bb|(?<=\w):\s.*")
WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
STRETCHED = re.compile(r"(.)\1{2,}")
NAME_WORDS = 3
# Letters that no language in Latin ones has, and how many of them are more than a name or a greeting.
OTHER_SCRIPT = re.compile(
    "[\u0370-\u1cff\u2c00-\u2c5f\u2c80-\ua6ff\uac00-\ud7ff\uf900-\ufaff\ufb13-\ufefc\U00020000-\U0003ffff]"
)
LEAST_LETTERS = 8
OF_OTHER_SCRIPTS = frozenset(("ru", "uk", "ar", "hi", "zh", "ja", "ko"))
# Word -> the languages that have it, and what it says for each of so many.
HOLDERS = {
    word: tuple(code for code, words in WORDS.items() if word in words) for word in frozenset().union(*WORDS.values())
}
SHARES = [0.0, *(1 / count**1.5 for count in range(1, len(WORDS) + 1))]


class Guess(NamedTuple):
    """A language and how sure it is, 0.0 to 1.0. The code is empty when nothing can be told."""

    code: str
    confidence: float


UNKNOWN = Guess("", 0.0)
# Some language of another script, which is not told: that of before holds no more, and the model is told none.
ELSEWHERE = Guess("und", 1.0)


class Detector(Protocol):
    """What tells languages apart."""

    def codes(self) -> tuple[str, ...]:
        """The languages that it knows."""

    def detect(self, text: str) -> Guess:
        """The language of words in a row. What says nothing of a language was taken out before."""


def follow(known: Language, texts: Iterable[str], *, detector: Detector) -> Language | None:
    """The language after these messages. None when nothing new was found out."""
    heard = [] if known.chosen else [found for text in texts if (found := guess(text, detector)).code]
    if not heard:
        return None
    after = Language()
    after.CopyFrom(known)
    for found in heard:
        _step(after, found)
    return None if after == known else after


def hint(code: str) -> str:
    """What the model is told of it. Empty when it is not known."""
    if not code:
        return ""
    name = NAMES.get(code.partition("-")[0], code)
    return f"The person writes in {name}. Answer in that language unless asked otherwise."


def guess(text: str, detector: Detector) -> Guess:
    """The language of one message. Unknown for numbers, addresses, names, "ok" and pictures."""
    own = text[:MOST_CHARACTERS]
    own = NO_WORDS.sub(" ", own) if MAY_BE_NO_WORDS.search(own) else own
    own = QUOTED.sub(" ", own) if MAY_BE_QUOTED.search(own) else own
    words = _without_names(own)
    written = WORD.findall(words)
    if all(_plain_word(word) in EVERYWHERE for word in written) or _is_name(written):
        return UNKNOWN
    found = detector.detect(words)
    if found.code not in OF_OTHER_SCRIPTS and _is_of_another_script(words):
        return ELSEWHERE
    if found.confidence < AT_ALL:
        return UNKNOWN
    return Guess(found.code, min(found.confidence, MOST_OF_FEW)) if len(written) <= FEW_WORDS else found


def plain(text: str) -> str:
    """In lower case, without accents, and not stretched: "Holaaa" is "hola"."""
    bare = text.lower()
    if not bare.isascii():
        parts = unicodedata.normalize("NFKD", bare)
        bare = "".join(filterfalse(unicodedata.combining, parts)).replace("\u2019", "'")
    return STRETCHED.sub(r"\1", bare)


# People say the same words again and again, and each is asked about more than once.
_plain_word = lru_cache(MOST_REMEMBERED)(plain)


class Builtin:
    """Tells by the small words of each language, then by letters and endings. It learns nothing and needs nothing."""

    def codes(self) -> tuple[str, ...]:
        return tuple(WORDS)

    def detect(self, text: str) -> Guess:
        weights, doubt = weigh(text)
        best = max(weights, key=weights.__getitem__, default="")
        return Guess(best, weights[best] / (sum(weights.values()) + doubt)) if best else UNKNOWN


def weigh(text: str) -> tuple[dict[str, float], float]:
    """What speaks for each language, and the weight of not knowing, which grows with every word that is in no list."""
    found: dict[str, float] = {}
    for letter in filter(LETTERS.__contains__, "" if text.isascii() else text.lower()):
        _add(LETTERS[letter].items(), found)
    unmatched = 0
    for word in WORD.findall(plain(text)):
        says, is_listed = _said_by(word)
        _add(says, found)
        unmatched += not is_listed
    weights = {code: exp(2 * min(evidence, MOST_EVIDENCE)) - 1 for code, evidence in found.items()}
    return weights, 1.4 + 0.3 * unmatched


@lru_cache(MOST_REMEMBERED)
def _said_by(word: str) -> tuple[tuple[tuple[str, float], ...], bool]:
    """What a word says for each language, and whether it stands in a list."""
    if word in EVERYWHERE:
        return (), True
    holders = HOLDERS.get(word, ())
    if holders or len(word) < 3:
        return tuple((code, SHARES[len(holders)]) for code in holders), bool(holders)
    ending = next((word[-size:] for size in range(6, 0, -1) if len(word) > size + 1 and word[-size:] in ENDINGS), "")
    inside = [weight for part, says in INSIDE.items() if part in word for weight in says.items()]
    return (*ENDINGS.get(ending, {}).items(), *inside), False


def _add(says: Iterable[tuple[str, float]], found: dict[str, float]) -> None:
    for code, weight in says:
        found[code] = found.get(code, 0.0) + weight


def _without_names(text: str) -> str:
    """Without what has a capital within a sentence: "ship to São Paulo" is English."""
    parts = text.split()
    if all(part[0].isupper() for part in parts if part[0].isalpha()):
        return text
    return " ".join(part for place, part in enumerate(parts) if place == 0 or not _is_titled(part))


def _is_of_another_script(text: str) -> bool:
    """Whether most letters are none of the Latin ones: a word or two of those are a name, or "please"."""
    found = 0 if text.isascii() else sum(map(str.isalpha, OTHER_SCRIPT.findall(text)))
    return found >= LEAST_LETTERS and 2 * found > sum(map(str.isalpha, text))


def _is_titled(word: str) -> bool:
    return word[0].isupper() and not word.isupper()


def _is_name(written: list[str]) -> bool:
    """A few words, each with a capital and none of them known, are somebody's name, or a product's."""
    if len(written) > NAME_WORDS:
        return False
    known = any(_plain_word(word) in HOLDERS for word in written)
    return not known and all(word[0].isupper() and not word[1:].isupper() for word in written)


def _step(known: Language, heard: Guess) -> None:
    if heard == ELSEWHERE:
        known.Clear()
    elif heard.code == known.code:
        known.candidate = ""
    elif not known.code or heard.confidence >= SURE or known.candidate == heard.code:
        known.code, known.confidence, known.candidate = heard.code, round(heard.confidence, 3), ""
    else:
        known.candidate = heard.code
