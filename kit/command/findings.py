"""What is one result of a check? How bad it is, what it is about, what was found and how to mend it."""

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """Also the exit code that it leads to."""

    OK = 0
    LOOK = 1
    BROKEN = 2


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
