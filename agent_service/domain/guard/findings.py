"""Does an answer hold what it should not? Checks that no pattern can do: sums of digits, and what was said before."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from agent_service.domain.guard.sets import any_of

MOST_CANDIDATES = 200
MOST_SAID = 200_000  # signs of what was said before, the newest
# An answer that has so many words of the system prompt in a row quotes it.
LEAKED_WORDS = 12
_QUOTED = b"\x01" * LEAKED_WORDS
# Prompts whose words are kept: those of the agents that answer just now.
MOST_PROMPTS = 64
_CARD = re.compile(r"(?<![\w+])\d(?:[ -]?\d){12,18}(?!\w)")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?!\w)")
_PHONE = re.compile(
    r"(?<![\w.])(?:\+|00)\d(?:[ ().\-/]{0,2}\d){6,14}(?!\w)|(?<![\w.+])(?<!\d )\(?0\d(?:[ ().\-/]{0,2}\d){7,12}(?!\w)"
)
# What models put between digits so that no line ends there, and digits of other scripts: read as ASCII has them.
_SIGNS_OF_NUMBERS: dict[int, str | None] = {
    **dict.fromkeys(map(ord, "\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000"), " "),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212\uff0d"), "-"),
    **dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff")),
    **{zero + n: str(n) for zero in (0x0660, 0x06F0, 0x0966, 0x09E6, 0x0E50, 0xFF10) for n in range(10)},
}
# How the numbers of card issuers begin, and their lengths.
_ISSUERS: tuple[tuple[tuple[str, ...], tuple[int, ...]], ...] = (
    (("4",), (13, 16, 19)),
    (("51", "52", "53", "54", "55", "22", "23", "24", "25", "26", "27"), (16,)),
    (("34", "37"), (15,)),
    (("60", "62", "64", "65"), (16, 17, 18, 19)),
    (("30", "35", "36", "38", "39"), (14, 16)),
)
# Vowel signs belong to their words, and are no letters to Python. Scripts without spaces have no words to count: so
# many signs of theirs are as much as those words. Han and kana; Thai, Lao, Burmese and Khmer.
_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff\u200c\u200d"
_UNSPACED = (
    ("\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff", 30),
    ("\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff", 60),
)
_SIGNS = tuple((re.compile(f"[{signs}]+"), many) for signs, many in _UNSPACED)
_ASCII_WORD, _WORD = re.compile(r"\w+"), re.compile(f"(?:[^\\W{''.join(signs for signs, _ in _UNSPACED)}]|[{_MARKS}])+")
_NOT_DIGIT = re.compile(r"\D")
# Whatever holds a number of one of the three kinds holds one of these: most answers do not, which is known at once.
_NUMBERS = any_of((rb"(?:\p{Nd}[ ().\-/]{0,2}){7}", rb"[A-Z]{2}\p{Nd}{2}"))
_SIGNIFICANT = 8  # digits from the end that tell two numbers apart, with or without the country's


@dataclass(frozen=True, slots=True)
class Context:
    """What an answer is compared with: the system prompt, and what the model was shown beside it, read when needed."""

    system_prompt: str = ""
    said: Iterable[str] = ()


def card_number(answer: str, _context: Context) -> bool:
    """The number of a payment card: 13 to 19 digits whose Luhn sum is right."""
    return any(_luhn(_NOT_DIGIT.sub("", found[0])) for found in islice(_CARD.finditer(answer), MOST_CANDIDATES))


def iban(answer: str, _context: Context) -> bool:
    """A bank account's number whose check digits are right (ISO 13616)."""
    return any(_mod97(found[0]) for found in islice(_IBAN.finditer(answer), MOST_CANDIDATES))


def strange_phone_number(answer: str, context: Context) -> bool:
    """A phone number that stands nowhere in the conversation or the prompt."""
    candidates = islice(_PHONE.finditer(answer), MOST_CANDIDATES)
    numbers = {_NOT_DIGIT.sub("", found[0])[-_SIGNIFICANT:] for found in candidates}
    if not numbers:
        return False
    known = "\n".join(_NOT_DIGIT.sub("", readable(text)) for text in (context.system_prompt, *context.said))
    return any(number not in known for number in numbers)


def prompt_leak(answer: str, context: Context) -> bool:
    """Many words of the system prompt in a row, or signs where a script has no spaces, that nobody in the conversation
    said."""
    if any(_quotes(answer, context, signs=signs, many=many) for signs, many in _SIGNS if not answer.isascii()):
        return True
    said = _words(answer)
    if len(said) < LEAKED_WORDS or not _may_quote(said, context.system_prompt):
        return False
    shared = _runs(said) & _runs(_words(context.system_prompt))
    return bool(shared) and bool(shared.difference(*(_runs(_words(text)) for text in context.said)))


Finder = Callable[[str, Context], bool]
OF_NUMBERS: tuple[Finder, ...] = (card_number, iban, strange_phone_number)
FINDERS: Mapping[str, Finder] = {finder.__name__: finder for finder in (*OF_NUMBERS, prompt_leak)}


def readable(answer: str) -> str:
    """As the checks of this file read it."""
    return answer if answer.isascii() else answer.translate(_SIGNS_OF_NUMBERS)


def may_hold_numbers(answer: str) -> bool:
    """False when none of OF_NUMBERS would find anything."""
    return bool(_NUMBERS.Match(answer.encode("utf-8", "replace")))


def _luhn(digits: str) -> bool:
    odd, even = digits[-1::-2], digits[-2::-2]
    total = sum(map(int, odd)) + sum(sum(divmod(2 * int(each), 10)) for each in even)
    return total % 10 == 0 and any(digits.startswith(starts) and len(digits) in sizes for starts, sizes in _ISSUERS)


def _mod97(found: str) -> bool:
    account = found.replace(" ", "")
    # The pattern may have taken a word that follows; countries' numbers are 15 to 34 long.
    return any(
        int("".join(str(int(sign, 36)) for sign in account[4:size] + account[:4])) % 97 == 1
        for size in range(15, min(34, len(account)) + 1)
    )


def _may_quote(said: Sequence[str], prompt: str) -> bool:
    """Whether enough words in a row are words of the prompt at all, in whatever order. Most answers end here."""
    return _QUOTED in bytes(map(_vocabulary(prompt).__contains__, said))


def _quotes(answer: str, context: Context, *, signs: re.Pattern[str], many: int) -> bool:
    """Whether so many signs in a row are the prompt's. Whatever does has one of these halves whole: few answers do."""
    said, half = "".join(signs.findall(answer)), many // 2
    if len(said) < many:
        return False
    prompt = "".join(signs.findall(context.system_prompt))
    if not any(said[at : at + half] in prompt for at in range(0, len(said) - half + 1, half)):
        return False
    shared = _parts(said, many) & _parts(prompt, many)
    if not shared:
        return False
    others = "\n".join("".join(signs.findall(text)) for text in context.said)[-MOST_SAID:]
    return any(part not in others for part in islice(shared, MOST_CANDIDATES))


def _parts(text: str, size: int) -> frozenset[str]:
    return frozenset(text[at : at + size] for at in range(len(text) - size + 1))


@lru_cache(MOST_PROMPTS)
def _vocabulary(prompt: str) -> frozenset[str]:
    return frozenset(_words(prompt))


def _words(text: str) -> list[str]:
    return (_ASCII_WORD if text.isascii() else _WORD).findall(text.casefold())


def _runs(words: Sequence[str]) -> frozenset[tuple[str, ...]]:
    return frozenset(zip(*(words[start:] for start in range(LEAKED_WORDS)), strict=False))
