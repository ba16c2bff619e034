"""Which words do rules know, and how is a text written as one letter per word? Disguises of a word are undone here."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from agent_service.domain.guard.phrases import Atom

UNKNOWN = "x"
# Words seen before are not taken apart again. Full, it is emptied: what people write repeats itself at once.
MOST_REMEMBERED = 50_000
LONGEST_WORD = 40
_FIRST_LETTER = 0x100  # means nothing to a regular expression, and is short in UTF-8
_LEET = "013457@$!|89+"
_LETTERS = (str.maketrans(_LEET, "oieastasiibgt"), str.maketrans(_LEET, "oleastaslibgt"))
_ODD = re.compile(r"[013457@$!|89+]").search
_LETTER = re.compile("[a-z]").search
_DRAWN_OUT = re.compile(r"(.)\1{2,}")
_MOST_SEGMENT, _LEAST_SEGMENT = 16, 3


class Lexicon:
    """All words of all atoms. Words that the same atoms take share a letter."""

    def __init__(self, atoms: Iterable[Atom], others: Iterable[str] = ()) -> None:
        self._numbers: dict[Atom, int] = {}
        for atom in atoms:
            self._numbers.setdefault(atom, len(self._numbers))
        words, stems = _members(self._numbers)
        taken = {stem: _under(stem, stems) for stem in stems}
        meant = {word: atoms | _under(word, stems) for word, atoms in words.items()}
        # Words of the same place get letters in a row, which makes classes short and RE2 quick.
        kinds = sorted({*taken.values(), *meant.values()}, key=sorted)
        letters = {kind: chr(_FIRST_LETTER + number) for number, kind in enumerate(kinds)}
        self._stems = {stem: letters[kind] for stem, kind in taken.items()}
        self._words = {word: letters[kind] for word, kind in meant.items()}
        self._taking = _taking(letters, self._numbers)
        self._sizes = _sizes(stems)
        self._whole = frozenset(others)
        self._known = _Known(self._meet)
        self._disguised: set[str] = set()

    def draw(self, atom: Atom) -> str:
        """The letters of the words that the atom takes, as a class of a regular expression."""
        return f"[{''.join(self._taking[atom])}]"

    def letters(self, atoms: Iterable[Atom]) -> frozenset[str]:
        """The letters of all words that one of the atoms takes."""
        return frozenset(letter for atom in atoms for letter in self._taking[atom])

    def write(self, words: Sequence[str]) -> str:
        """One letter a word."""
        return "".join(map(self._known.__getitem__, words))

    def is_disguised(self, words: Sequence[str]) -> bool:
        """Whether a word was known only after digits or signs in it were read as letters."""
        return not self._disguised.isdisjoint(words)

    def segmented(self, run: str) -> list[str]:
        """Words out of letters that stand in a row, longest known word first; what is unknown stays together."""
        found, at, loose = [], 0, ""
        while at < len(run):
            size = next(
                (n for n in range(min(_MOST_SEGMENT, len(run) - at), 1, -1) if self._is_word(run[at : at + n])), 0
            )
            if size:
                found += [loose, run[at : at + size]] if loose else [run[at : at + size]]
                loose = ""
            else:
                loose += run[at]
            at += size or 1
        return [*found, loose] if loose else found

    def _is_word(self, word: str) -> bool:
        return word in self._whole or (len(word) >= _LEAST_SEGMENT and (word in self._words or word in self._stems))

    def _meet(self, word: str) -> str:
        """A word that was not seen lately."""
        short = word[:LONGEST_WORD].strip("!|")
        letter = self._found(short)
        hidden = "" if letter else next(filter(None, map(self._found, _undisguised(short))), "")
        meant = letter or hidden or UNKNOWN
        if len(word) > LONGEST_WORD:
            return meant
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
            self._disguised.clear()
        self._known[word] = meant
        if hidden:
            self._disguised.add(word)
        return meant

    def _found(self, word: str) -> str:
        letter = self._words.get(word)
        if letter:
            return letter
        for size in self._sizes.get(word[:2], ()):
            if letter := self._stems.get(word[:size]):
                return letter
        return self._stems.get(word[:1], "")


class _Known(dict[str, str]):
    """The letters of words seen before; a word that is not there is met. Nothing in Python looks words up quicker."""

    def __init__(self, meet: Callable[[str], str]) -> None:
        super().__init__()
        self._meet = meet

    def __missing__(self, word: str) -> str:
        return self._meet(word)


def _undisguised(word: str) -> Iterable[str]:
    if _ODD(word) and _LETTER(word):
        for letters in _LETTERS:
            yield word.translate(letters)
    if drawn := _DRAWN_OUT.search(word):
        del drawn
        yield _DRAWN_OUT.sub(r"\1", word)
        yield _DRAWN_OUT.sub(r"\1\1", word)


def _members(numbers: Mapping[Atom, int]) -> tuple[dict[str, frozenset[int]], dict[str, frozenset[int]]]:
    words: dict[str, frozenset[int]] = {}
    stems: dict[str, frozenset[int]] = {}
    for atom, number in numbers.items():
        for word in atom.words:
            words[word] = words.get(word, frozenset()) | {number}
        for stem in atom.stems:
            stems[stem] = stems.get(stem, frozenset()) | {number}
    return words, stems


def _under(word: str, stems: Mapping[str, frozenset[int]]) -> frozenset[int]:
    """The atoms of every stem that the word begins with."""
    found = [stems[word[:n]] for n in range(1, len(word) + 1) if word[:n] in stems]
    return frozenset().union(*found)


def _taking(letters: Mapping[frozenset[int], str], numbers: Mapping[Atom, int]) -> dict[Atom, list[str]]:
    taking: dict[int, list[str]] = {number: [] for number in numbers.values()}
    for kind, letter in letters.items():
        for number in kind:
            taking[number].append(letter)
    return {atom: taking[number] for atom, number in numbers.items()}


def _sizes(stems: Iterable[str]) -> dict[str, list[int]]:
    """How long the stems are that begin with two letters, longest first."""
    found: dict[str, set[int]] = {}
    for stem in stems:
        if len(stem) > 1:
            found.setdefault(stem[:2], set()).add(len(stem))
    return {start: sorted(sizes, reverse=True) for start, sizes in found.items()}
