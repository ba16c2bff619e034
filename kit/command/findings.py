"""What is one result of a check? How bad it is, what it is about, what was found and how to mend it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from kit.command.screen import say


class Level(Enum):
    """Also the exit code that it leads to."""

    OK = 0
    LOOK = 1
    BROKEN = 2


MARKS = {Level.OK: ("ok", "green"), Level.LOOK: ("look", "yellow"), Level.BROKEN: ("broken", "bold red")}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line for a person, or one row for a program. Never holds a secret."""

    level: Level
    about: str
    found: str
    fix: str = ""


def ok(about: str, found: str) -> Finding:
    """As it should be."""
    return Finding(Level.OK, about, found)


def look(about: str, found: str, *, fix: str) -> Finding:
    """It works, and somebody should look at it."""
    return Finding(Level.LOOK, about, found, fix)


def broken(about: str, found: str, *, fix: str) -> Finding:
    """It does not work."""
    return Finding(Level.BROKEN, about, found, fix)


def report(found: Sequence[Finding]) -> int:
    """Shows them to a person, and returns what the worst of them makes of the exit code."""
    for each in found:
        mark, style = MARKS[each.level]
        say(f"{mark:<7} {each.about:<12} {each.found}", "" if each.level is Level.OK else style)
        if each.fix:
            say(f"{'':<7} {'':<12} fix: {each.fix}")
    return worst(found)


def rows(found: Sequence[Finding]) -> list[dict[str, str]]:
    """For a program."""
    return [
        {"level": each.level.name.lower(), "about": each.about, "found": each.found, "fix": each.fix} for each in found
    ]


def worst(found: Sequence[Finding]) -> int:
    """The exit code."""
    return max((each.level.value for each in found), default=0)
