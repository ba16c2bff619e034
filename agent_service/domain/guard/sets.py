"""Does a text meet any of some patterns? RE2 answers that in half the time that it takes to say where."""

from collections.abc import Iterable

import re2

# Of one pattern, with what RE2 remembers of texts.
MOST_MEMORY = 1 << 20


def any_of(patterns: Iterable[bytes]) -> re2.Set:
    """Its Match tells which of the patterns are met anywhere in a text."""
    made = re2.Set.SearchSet(quiet())
    for pattern in patterns:
        made.Add(pattern)
    made.Compile()
    return made


def quiet() -> re2.Options:
    """RE2 writes what is wrong with a pattern to stderr by itself, quoting it; and it would keep 8 MiB for each."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MOST_MEMORY
    return options
