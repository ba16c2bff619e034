"""What does the command itself read of the environment? The channel credentials of the default tenant, by name."""

import os
from collections.abc import Iterable
from pathlib import Path

from dotenv import dotenv_values


def values_of(names: Iterable[str]) -> dict[str, str]:
    """Those that are set and not empty; the environment wins over .env, as in every service."""
    file = dotenv_values(Path(".env")) if Path(".env").is_file() else {}
    found = {name: os.environ.get(name) or file.get(name) or "" for name in names if name}
    return {name: value for name, value in found.items() if value}
