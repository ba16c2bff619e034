"""What does a pattern over words mean? A regular expression whose letters are whole words.

`ignore`, `ignor*` (any ending), `{instructions}` (one of [words]), `..` (up to six words between), `..3` (up to three),
`(a | b)`, `?` (the one before it may be missing), `^` and `$` (where a sentence begins and ends).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from agent_service.domain.guard.folding import fold, sentences

GAP_WORDS = 6
LONGEST_GAP = 20
SHORTEST_STEM = 3
DEEPEST = 4
_TOKEN = re.compile(r"\.\.\d*|\{[^{}]*\}|[()|?^$]|[^\s{}()|?^$]+|\S")
_GAP = re.compile(r"\.\{0,(\d+)\}")
_OPERATORS = {"(": "(?:", ")": ")", "|": "|", "?": "?", "^": "^", "$": "$"}


class PhraseError(ValueError):
    """A pattern cannot be read; said without the name of its rule."""


@dataclass(frozen=True, slots=True)
class Atom:
    """Words that one place of a pattern takes: exact ones, and stems with any ending."""

    words: frozenset[str] = frozenset()
    stems: frozenset[str] = frozenset()


Part = Atom | str
Draw = Callable[[Atom], str]


@dataclass(frozen=True, slots=True)
class Phrase:
    """A pattern, read: atoms with operators between, and what every text that it meets must have."""

    parts: tuple[Part, ...]
    needs: tuple[frozenset[Atom], ...]

    def rarest(self, most: int) -> list[frozenset[Atom]]:
        """Of those, what fewest texts have."""
        return sorted(self.needs, key=_commonness)[:most]

    @property
    def longest(self) -> int:
        """Words of the longest that it can meet."""
        return _longest(self.parts)

    def atoms(self) -> Iterator[Atom]:
        yield from (part for part in self.parts if isinstance(part, Atom))

    def regex(self, draw: Draw) -> str:
        """As a regular expression over the letters that `draw` gives to atoms."""
        return "".join(draw(part) if isinstance(part, Atom) else part for part in self.parts)


def read(pattern: str, words: Mapping[str, tuple[str, ...]]) -> Phrase:
    """The pattern, with its {names} looked up. PhraseError when it makes no sense."""
    parts = list(_parts(pattern, words, depth=0))
    if not any(isinstance(part, Atom) for part in parts):
        raise PhraseError(f"{pattern!r} names no word")
    try:
        re.compile(_outline(parts))
    except re.error as error:
        raise PhraseError(f"{pattern!r} does not add up: {error.msg}") from None
    return Phrase(tuple(parts), tuple(_needs(parts)))


def _parts(pattern: str, words: Mapping[str, tuple[str, ...]], *, depth: int) -> Iterator[Part]:
    for sign in _TOKEN.findall(pattern):
        if sign.startswith(".."):
            yield _gap(sign)
        elif sign in _OPERATORS:
            yield _OPERATORS[sign]
        elif sign in {"{", "}"}:
            raise PhraseError(f"{pattern!r} has a single {sign}")
        elif sign.startswith("{"):
            yield from _named(sign[1:-1], words, depth=depth)
        else:
            yield from _literal(sign)


def _gap(token: str) -> str:
    most = int(token[2:] or GAP_WORDS)
    if most > LONGEST_GAP:
        raise PhraseError(f"{token} is too far: {LONGEST_GAP} words at most")
    return f".{{0,{most}}}"


@cache
def _literal(token: str) -> tuple[Atom, ...]:
    """One word as texts have it after the fold; of a script without spaces, its signs one by one."""
    is_stem = token.endswith("*")
    folded = [word for sentence in sentences(fold(token.rstrip("*")).text) for word in sentence]
    if not folded or "*" in token.rstrip("*"):
        raise PhraseError(f"{token!r} is no word")
    if is_stem and len(folded[-1]) < (SHORTEST_STEM if folded[-1].isascii() else 1):
        raise PhraseError(f"{token!r} is too short for any ending: {SHORTEST_STEM} letters at least")
    last = frozenset((folded[-1],))
    before = tuple(Atom(words=frozenset((word,))) for word in folded[:-1])
    return (*before, Atom(stems=last) if is_stem else Atom(words=last))


def _named(name: str, words: Mapping[str, tuple[str, ...]], *, depth: int) -> Iterator[Part]:
    """One of several: single words become one atom, sequences stand beside it."""
    if name not in words:
        raise PhraseError(f"there is no {{{name}}} in [words]")
    if depth >= DEEPEST:
        raise PhraseError(f"{{{name}}} goes in circles, or deeper than {DEEPEST}")
    choices = [list(_parts(each, words, depth=depth + 1)) for each in words[name]]
    single = [choice[0] for choice in choices if len(choice) == 1 and isinstance(choice[0], Atom)]
    merged = Atom(
        frozenset().union(*(atom.words for atom in single)), frozenset().union(*(atom.stems for atom in single))
    )
    longer = [choice for choice in choices if not (len(choice) == 1 and isinstance(choice[0], Atom))]
    if not longer:
        yield merged
        return
    yield "(?:"
    if single:
        yield merged
    for number, choice in enumerate(longer):
        if number or single:
            yield "|"
        yield from choice
    yield ")"


def _needs(parts: list[Part]) -> Iterator[frozenset[Atom]]:
    """For each place that no text can do without, the atoms of which one must be there."""
    for here, after in pairwise([*_places(parts), []]):
        if after[:1] != ["?"] and (atoms := _one_of(here)):
            yield atoms


def _one_of(place: list[Part]) -> frozenset[Atom]:
    """Of each alternative the place that fewest texts have; none when one of them can be met by nothing."""
    if len(place) == 1:
        return frozenset(part for part in place if isinstance(part, Atom))
    is_group = "|" not in [part for part, level in _levels(place) if level == 0]
    inner = place[1:-1] if is_group else place
    rarest = [min(_needs(each), key=_commonness, default=None) for each in _alternatives(inner)]
    return frozenset().union(*filter(None, rarest)) if all(rarest) else frozenset()


def _alternatives(parts: list[Part]) -> list[list[Part]]:
    """What stands between | at the top."""
    found: list[list[Part]] = [[]]
    for part, level in _levels(parts):
        if part == "|" and level == 0:
            found.append([])
        else:
            found[-1].append(part)
    return found


def _commonness(atoms: frozenset[Atom]) -> float:
    """How many texts have one of them, guessed: the shorter a word, the more."""
    return sum(2.0 ** -len(word) for atom in atoms for word in (*atom.words, *atom.stems))


def _places(parts: list[Part]) -> Iterator[list[Part]]:
    """The parts at the top: one each, or a whole group. With alternatives at the top, all is one."""
    place: list[Part] = []
    depth, split = 0, not any(part == "|" and level == 0 for part, level in _levels(parts))
    for part, level in _levels(parts):
        place.append(part)
        depth = level + _step(part)
        if depth == 0 and split:
            yield place
            place = []
    if place:
        yield place


def _longest(parts: Iterable[Part]) -> int:
    """Of each open group the words of this alternative and of the longest before it."""
    open_groups = [(0, 0)]
    for part in parts:
        here, before = open_groups.pop()
        if part == "(?:":
            open_groups += [(here, before), (0, 0)]
        elif part == "|":
            open_groups.append((0, max(here, before)))
        elif part == ")":
            outer, longest = open_groups.pop()
            open_groups.append((outer + max(here, before), longest))
        else:
            open_groups.append((here + _most(part), before))
    return max(open_groups[-1])


def _most(part: Part) -> int:
    gap = _GAP.fullmatch(part) if isinstance(part, str) else None
    return int(gap[1]) if gap else int(isinstance(part, Atom))


def _outline(parts: list[Part]) -> str:
    """The pattern with the same letter for every atom."""
    return "".join("x" if isinstance(part, Atom) else part for part in parts)


def _levels(parts: list[Part]) -> Iterator[tuple[Part, int]]:
    depth = 0
    for part in parts:
        yield part, depth
        depth += _step(part)


def _step(part: Part) -> int:
    return {"(?:": 1, ")": -1}.get(part, 0) if isinstance(part, str) else 0
