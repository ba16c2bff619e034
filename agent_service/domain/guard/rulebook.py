"""Which rules are there? What the rule files say, checked when they are read. docs/guardrails.md tells the format."""

import tomllib
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal, Self

import re2
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent_service.domain.guard import phrases
from agent_service.domain.guard.findings import FINDERS
from agent_service.domain.guard.sets import quiet
from agent_service.domain.guard.verdict import Action, Hit, Side
from kit import mistakes

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,47}$")]
Patterns = tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...]
Examples = tuple[Annotated[str, Field(min_length=1, max_length=4000)], ...]


class RulesError(ValueError):
    """A rule file is wrong. One line: the file, the rule, the field, and what is right."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Rule(_Strict):
    """One [[rule]]. It is met by any of its patterns."""

    id: Id = Field(description="Its name, also in logs, metrics and the reason of a turn")
    category: Id = Field(description="`credentials`, `illegal_activity`, `malware`, `prompt_injection`, or your own")
    action: Literal["block", "restrict_tools", "mark"] = Field(
        description="What follows: `block`, `restrict_tools`, `mark`"
    )
    side: Literal["input", "output"] = Field("input", description="Whose text: a person's, or the model's")
    unsure: bool = Field(False, description="Whether it only suspects, so that a judge is asked")
    words: Patterns = Field((), description="Patterns over words")
    text: Patterns = Field((), description="RE2 patterns over the text with its signs and its case")
    finds: str = Field("", description="A check in code, for the output: `card_number`, `iban` and so on")
    unless: Patterns = Field((), description="Patterns over words that excuse the sentence in which `words` was met")
    hits: Examples = Field((), description="Texts that it must meet")
    misses: Examples = Field((), description="Texts that it must not meet")

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if not (self.words or self.text or self.finds):
            raise ValueError("has none of words, text and finds")
        if self.unsure and self.action == "block":
            raise ValueError("action: a rule that is unsure cannot block; the judge does")
        if self.finds and (self.finds not in FINDERS or self.side == "input"):
            raise ValueError(f"finds: for the output, one of {', '.join(FINDERS)}")
        if not self.finds and not (self.hits and self.misses):
            raise ValueError("needs at least one example in hits and one in misses")
        return self

    @property
    def hit(self) -> Hit:
        return Hit(self.id, self.category, Action[self.action.upper()], self.unsure)

    @property
    def whose(self) -> Side:
        return Side(self.side)


class RuleFile(_Strict):
    """One file: the words that patterns may name, and the rules."""

    words: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")], Patterns] = {}
    rule: tuple[Rule, ...] = ()


class Rulebook(_Strict):
    """All files together. Names of words and of rules are used once."""

    words: dict[str, Patterns] = {}
    rules: tuple[Rule, ...] = ()

    def with_file(self, text: str, *, file: str) -> "Rulebook":
        """This one and what the file says; RulesError in one line when it is wrong."""
        try:
            read = RuleFile.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise RulesError(f"{file}: not TOML: {error}") from None
        except ValidationError as error:
            said = mistakes.said(error, where=lambda path: _where(path, text), known=_keys)
            raise RulesError(f"{file}: {said}") from None
        book = Rulebook(words=self.words | read.words, rules=self.rules + read.rule)
        for problem in (*self._clashes(read), *book._problems(read.rule)):
            raise RulesError(f"{file}: {problem}")
        return book

    def _clashes(self, read: RuleFile) -> Iterator[str]:
        yield from (f"words.{name}: there is one already" for name in read.words.keys() & self.words.keys())
        seen = {rule.id for rule in self.rules}
        for rule in read.rule:
            if rule.id in seen:
                yield f"rule {rule.id}: id: there is one already"
            seen.add(rule.id)

    def _problems(self, rules: Iterable[Rule]) -> Iterator[str]:
        for rule in rules:
            for field, patterns in (("words", rule.words), ("unless", rule.unless)):
                for pattern in patterns:
                    try:
                        phrases.read(pattern, self.words)
                    except phrases.PhraseError as error:
                        yield f"rule {rule.id}: {field}: {error}"
            for pattern in rule.text:
                try:
                    re2.compile(pattern, quiet())
                except re2.error:
                    yield f"rule {rule.id}: text: {pattern!r} is no pattern of RE2, which has no look-around"


def _keys(path: mistakes.Place) -> Iterable[str]:
    return (Rule if path[0] == "rule" else RuleFile).model_fields


def _where(path: mistakes.Place, text: str) -> str:
    """The rule by its id where it has one, else by its place, and the field."""
    if len(path) < 2 or path[0] != "rule" or not isinstance(path[1], int):
        return mistakes.dotted(path)
    given = tomllib.loads(text)["rule"][path[1]]
    name = given.get("id") if isinstance(given, dict) else None
    return ": ".join([f"rule {name or path[1] + 1}", *(str(step) for step in path[2:3])])
