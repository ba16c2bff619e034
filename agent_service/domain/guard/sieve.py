"""Where in a text could a pattern be met at all? Only where a word for each of its places stands near enough.

Most patterns have no such place in most texts, so they are never tried; the others are tried on those places only.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import or_

# Words of a piece at least. No pattern is longer, so what it meets lies in one piece or in two that follow each other.
LEAST_PIECE = 32


class Sieve:
    """A bit for each pattern, in a layer for each of its places: a letter sets those of the places it fits."""

    def __init__(self, places: Sequence[Sequence[Iterable[str]]], *, longest: int) -> None:
        self._piece = max(LEAST_PIECE, longest)
        self._width = len(places)
        self._layers = max((len(each) for each in places), default=1)
        self._every = (1 << self._width) - 1
        self._free = 0
        self._bits: dict[str, int] = {}
        self._unasked = 0  # patterns that fit wherever they are tried
        for number, letters_of in enumerate(places):
            self._free |= sum(1 << self._bit(number, layer) for layer in range(len(letters_of), self._layers))
            for layer, letters in enumerate(letters_of):
                bit = 1 << self._bit(number, layer)
                self._bits.update((letter, self._bits.get(letter, 0) | bit) for letter in letters)
        self._unasked = self._fitting(self._free)

    def sift(self, sentences: Iterable[str]) -> Mapping[int, Sequence[tuple[str, str]]]:
        """For each pattern that could be met the sentences, and the pieces of them, in which."""
        found: dict[int, list[tuple[str, str]]] = {}
        short = 2 * self._piece
        for sentence in sentences:
            for piece in (sentence,) if len(sentence) <= short else self._pieces(sentence):
                fits = self._fits(piece)
                while fits:
                    lowest = fits & -fits
                    fits ^= lowest
                    found.setdefault(lowest.bit_length() - 1, []).append((sentence, piece))
        return found

    def _bit(self, number: int, layer: int) -> int:
        return number + layer * self._width

    def _fits(self, letters: str) -> int:
        """Patterns of which every layer has its bit."""
        bits = self._bits
        known = [bits[letter] for letter in set(letters) if letter in bits]
        return self._fitting(reduce(or_, known, self._free)) if known else self._unasked

    def _fitting(self, words: int) -> int:
        fits = words & self._every
        for _ in range(self._layers - 1):
            words >>= self._width
            fits &= words
        return fits

    def _pieces(self, sentence: str) -> Iterable[str]:
        """Of a long sentence, overlapping by half; none twice."""
        size = self._piece
        return dict.fromkeys(sentence[at : at + 2 * size] for at in range(0, len(sentence) - size, size))
