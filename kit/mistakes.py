"""How is what pydantic finds wrong told to an operator? One line: where, what is right, and how many more there are."""

import difflib
from collections.abc import Callable, Iterable

from pydantic import ValidationError

Place = tuple[int | str, ...]


def dotted(place: Place) -> str:
    """As TOML names a key within tables."""
    return ".".join(map(str, place))


def said(
    error: ValidationError,
    *,
    known: Callable[[Place], Iterable[str]],
    where: Callable[[Place], str] = dotted,
    what: str = "key",
) -> str:
    """The mistake to mend first. `known` are the names that a place may have; `where` says it, empty for the whole.

    A name that is none comes before the one that is missing for it. No value is repeated.
    """
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    first = next((each for each in problems if each["type"] == "extra_forbidden"), problems[0])
    place, wrong = where(first["loc"]), first["msg"].removeprefix("Value error, ")
    line = f"{place}: {wrong}" if place else wrong
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(first["loc"][-1]), list(known(first["loc"])), 1)
        line = f"{place} is not a {what}" + (f"; did you mean {near[0]}?" if near else "")
    if len(problems) > 1:
        line += f" (and {len(problems) - 1} more)"
    return " ".join(line.split())  # A key in quotes may have any letter, the end of a line too.
