"""Where in a text could a pattern be met at all? Only where a word for each of its places stands near enough.

Most patterns have no such place in most texts, so they are never tried; the others are tried on those places only.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import or_

# Words of a piece at least. No pattern is longer, so what it meets lies in one piece or in two that follow each other.
LEAST_PIECE = 32


class Sieve:
    """A bit for each pattern, in as many layers as a pattern has places: a letter sets those of the places it fits."""

    def __init__(self, places: Sequence[Sequence[Iterable[str]]], *, longest: int) -> None:
        self._piece = max(LEAST_PIECE, longest)
        self._width = len(places)
        self._layers = max((len(each) for each in places), default=1)
        self._every = (1 << self._width) - 1
        self._free = 0
        self._bits: dict[str, int] = {}
        for number, letters_of in enumerate(places):
            self._free |= sum(1 << self._bit(number, layer) for layer in range(len(letters_of), self._layers))
            for layer, letters in enumerate(letters_of):
                bit = 1 << self._bit(number, layer)
                self._bits.update((letter, self._bits.get(letter, 0) | bit) for letter in letters)

    def sift(self, sentences: Iterable[str]) -> Mapping[int, Sequence[tuple[str, str]]]:
        """For each pattern that could be met the sentences, and the pieces of them, in which."""
        found: dict[int, list[tuple[str, str]]] = {}
        for sentence in sentences:
            for piece, fits in self._pieces(sentence):
                for number in _numbers(fits):
                    found.setdefault(number, []).append((sentence, piece))
        return found

    def _bit(self, number: int, layer: int) -> int:
        return number + layer * self._width

    def _words(self, letters: str) -> int:
        bits = self._bits
        return reduce(or_, [bits[letter] for letter in set(letters) if letter in bits], self._free)

    def _fitting(self, words: int) -> int:
        """Patterns of which every layer has its bit."""
        fits = self._every
        for _ in range(self._layers):
            fits &= words
            words >>= self._width
        return fits

    def _pieces(self, sentence: str) -> Iterable[tuple[str, int]]:
        """Each with the patterns that fit it. Those of a long sentence overlap by half, and none is named twice."""
        size = self._piece
        if len(sentence) <= 2 * size:
            return ((sentence, self._fitting(self._words(sentence))),)
        halves = [self._words(sentence[at : at + size]) for at in range(0, len(sentence), size)]
        pairs = {sentence[size * at : size * (at + 2)]: both for at, both in enumerate(map(or_, halves, halves[1:]))}
        return tuple((piece, self._fitting(both)) for piece, both in pairs.items())


def _numbers(bits: int) -> Iterator[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest
