"""Which rules does a text meet? Every view of it is written as letters for words, and patterns are tried on that.

RE2 matches in time linear in the text. What is tried, and how often, is capped and counted.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import re2

from agent_service.domain.guard import disguises, phrases
from agent_service.domain.guard.findings import FINDERS, OF_NUMBERS, Context, Finder, may_hold_numbers, readable
from agent_service.domain.guard.folding import MOST_CHARACTERS, fold, sentences
from agent_service.domain.guard.lexicon import Lexicon
from agent_service.domain.guard.phrases import Phrase
from agent_service.domain.guard.rulebook import Rule, Rulebook, RulesError
from agent_service.domain.guard.sets import any_of
from agent_service.domain.guard.sieve import Sieve
from agent_service.domain.guard.verdict import Action, Hit, Policy, Side, Verdict

# Of an answer, what is looked through for numbers and for the prompt.
MOST_ANSWER = 16_384
# Places of a pattern for which a word is looked up before it is tried: the rarest, more say little.
MOST_PLACES = 3
# Letters, one for a word, on which patterns are tried in one text, the patterns with the fewest first. Ordinary texts
# take a tenth of it. Thousands of the rules' own words without a stop take more: no tools are better than a stall.
MOST_LETTERS = 12_000
TOO_MUCH = Hit("guard.too_much", "prompt_injection", Action.RESTRICT_TOOLS, unsure=True)
NO_POLICY, NO_CONTEXT = Policy(), Context()
# Words that letters in a row may be made of, beside those of the rules.
LITTLE_WORDS = frozenset(
    (
        *(
            "a",
            "all",
            "an",
            "and",
            "are",
            "as",
            "at",
            "be",
            "by",
            "do",
            "for",
            "from",
            "i",
            "in",
            "is",
            "it",
            "me",
            "my",
        ),
        *("my", "no", "not", "now", "of", "on", "or", "our", "out", "so", "the", "this", "to", "up", "us", "was", "we"),
        *("with", "you", "your", "de", "el", "la", "las", "los", "que", "tu", "tus", "su", "mi", "por", "para", "con"),
        *("sin", "y", "o", "os", "seu", "seus", "sua", "e", "em", "um", "uma"),
    )
)


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """One pattern of the rule with this number."""

    number: int
    pattern: re2.Set
    excuses: re2.Set | None


@dataclass(slots=True)
class _Reading:
    """What was found in a text so far."""

    met: set[int]
    disguised: bool
    words: int = 0
    tries: int = 0
    letters: int = 0  # that patterns were tried on


class Engine:
    """The rules of a book, made ready once."""

    def __init__(self, book: Rulebook) -> None:
        self._rules = book.rules
        patterns = [pattern for rule in book.rules for pattern in (*rule.words, *rule.unless)]
        read = {pattern: phrases.read(pattern, book.words) for pattern in patterns}
        self._lexicon = Lexicon((atom for each in read.values() for atom in each.atoms()), LITTLE_WORDS)
        trials = {side: list(self._made(side, read)) for side in Side}
        self._trials = {side: tuple(trial for trial, _ in made) for side, made in trials.items()}
        self._sieves = {side: self._sieve([phrase for _, phrase in made]) for side, made in trials.items()}
        self._signs = {side: _signs(book.rules, side) for side in Side}
        self._finders = _finders(book.rules)
        self._of_words = tuple(each for each in self._finders if each[1] not in OF_NUMBERS)

    def check(
        self, text: str, *, side: Side = Side.INPUT, context: Context = NO_CONTEXT, policy: Policy = NO_POLICY
    ) -> Verdict:
        """All that the text meets. Never raises, whatever the text."""
        folded = fold(_ends(text))
        signs = folded.plain.encode("utf-8", "replace")
        reading = _Reading(set(), folded.disguised)
        self._read(sentences(folded.text), side, reading=reading)
        for view in self._hidden(folded.text, signs):
            self._read(view, side, reading=reading, odd=True)
        numbers, patterns = self._signs[side]
        met = reading.met | {numbers[found] for found in patterns.Match(signs) or ()}
        if side == Side.OUTPUT:
            answer = readable(text[:MOST_ANSWER])
            finders = self._finders if may_hold_numbers(answer) else self._of_words
            met |= {number for number, finds in finders if finds(answer, context)}
        if not met and reading.letters <= MOST_LETTERS:
            return Verdict(steps=reading.words + reading.tries)
        found = [self._rules[number].hit for number in sorted(met)]
        hits = policy.applied([*found, TOO_MUCH] if reading.letters > MOST_LETTERS else found)
        return Verdict(hits, reading.disguised and bool(hits), reading.words + reading.tries)

    def _hidden(self, text: str, signs: bytes) -> Iterator[list[list[str]]]:
        """What has to be dug out."""
        if spaced := disguises.joined(text, self._lexicon.segmented):
            yield spaced
        for said in disguises.decoded(signs):
            yield sentences(fold(said).text)
        yield [words for view in disguises.turned(text) for words in sentences(view)]

    def _read(self, view: list[list[str]], side: Side, *, reading: _Reading, odd: bool = False) -> None:
        """Tries every pattern on the places where it could be met, all at once; then on their sentences."""
        written = {self._lexicon.write(words): words for words in view}
        reading.words += sum(map(len, view))
        trials = self._trials[side]
        sifted = self._sieves[side].sift(written)
        if not sifted:
            return
        tried = [("\n".join([each for _, each in found]).encode(), number, found) for number, found in sifted.items()]
        for letters, number, places in sorted(tried, key=_length):
            trial = trials[number]
            if trial.number in reading.met:
                continue
            reading.letters += len(letters)
            if reading.letters > MOST_LETTERS:
                return
            reading.tries += 1
            if trial.pattern.Match(letters):
                found = {sentence: written[sentence] for sentence, _ in places}
                self._settle(trial, found, reading=reading, odd=odd)

    def _settle(self, trial: _Trial, found: Mapping[str, list[str]], *, reading: _Reading, odd: bool) -> None:
        """Looks which sentence has the pattern, and whether anything in it is an excuse."""
        for sentence, words in found.items():
            letters = sentence.encode()
            reading.tries += 1
            if trial.pattern.Match(letters) and not (trial.excuses and trial.excuses.Match(letters)):
                reading.met.add(trial.number)
                reading.disguised |= odd or self._lexicon.is_disguised(words)
                return

    def _sieve(self, made: Sequence[Phrase]) -> Sieve:
        letters = self._lexicon.letters
        return Sieve(
            [[letters(place) for place in phrase.rarest(MOST_PLACES)] for phrase in made],
            longest=max((phrase.longest for phrase in made), default=0),
        )

    def _made(self, side: Side, read: Mapping[str, Phrase]) -> Iterator[tuple[_Trial, Phrase]]:
        for number, rule in enumerate(self._rules):
            if rule.whose == side:
                try:
                    yield from self._tests(number, rule, read=read)
                except re2.error:
                    raise RulesError(f"rule {rule.id}: words: a pattern is too large; make several of it") from None

    def _tests(self, number: int, rule: Rule, *, read: Mapping[str, Phrase]) -> Iterator[tuple[_Trial, Phrase]]:
        excuses = self._over_words([read[pattern] for pattern in rule.unless]) if rule.unless else None
        for pattern in rule.words:
            yield _Trial(number, self._over_words([read[pattern]]), excuses), read[pattern]

    def _over_words(self, found: Iterable[Phrase]) -> re2.Set:
        return any_of(f"(?m){phrase.regex(self._lexicon.draw)}".encode() for phrase in found)


def _length(trial: tuple[bytes, int, object]) -> int:
    return len(trial[0])


def _ends(text: str) -> str:
    """Of a longer text the beginning and the end, half each: where people put what they want."""
    if len(text) <= MOST_CHARACTERS:
        return text
    half = MOST_CHARACTERS // 2
    return f"{text[:half]}\n\n{text[-half:]}"


def _signs(rules: Sequence[Rule], side: Side) -> tuple[list[int], re2.Set]:
    """The patterns over signs, in one set, and the number of the rule of each."""
    found = [(number, pattern) for number, rule in enumerate(rules) if rule.whose == side for pattern in rule.text]
    return [number for number, _ in found], any_of(pattern.encode() for _, pattern in found)


def _finders(rules: Sequence[Rule]) -> tuple[tuple[int, Finder], ...]:
    return tuple((number, FINDERS[rule.finds]) for number, rule in enumerate(rules) if rule.finds)
