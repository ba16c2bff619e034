"""What does the command itself read of the environment, and put there? The channels' variables, by name."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from dotenv import dotenv_values


def values_of(names: Iterable[str]) -> dict[str, str]:
    """Those that are set and not empty; the environment wins over .env, as in every service."""
    file = dotenv_values(Path(".env")) if Path(".env").is_file() else {}
    found = {name: os.environ.get(name) or file.get(name) or "" for name in names if name}
    return {name: value for name, value in found.items() if value}


def lend(values: Mapping[str, str]) -> None:
    """Sets them for this process and for those that it starts: no command line, which all can read, holds a secret."""
    os.environ.update(values)
