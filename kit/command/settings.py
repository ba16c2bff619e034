"""What does the command itself read of the environment, and put there? The channels' variables, by name."""

import os
from collections.abc import Iterable, Mapping

from kit import settings


def values_of(names: Iterable[str]) -> dict[str, str]:
    """Those that are set and not empty, as every service reads them."""
    return settings.values(list(filter(None, names)))


def heed(found: settings.Settings) -> None:
    """What .env says of colours. Who draws them looks at the environment alone."""
    if found.no_color:
        lend({"NO_COLOR": found.no_color})


def lend(values: Mapping[str, str]) -> None:
    """Sets them for this process and for those that it starts: no command line, which all can read, holds a secret."""
    os.environ.update(values)
