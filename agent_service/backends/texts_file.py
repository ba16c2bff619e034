"""Which sentences does an operator put in the place of ours? TOML: a table for each, with a key for each language."""

import tomllib
from pathlib import Path

from agent_service.domain.texts import Texts, replaced
from kit.settings import SettingsError


def read(path: str) -> Texts:
    """Our sentences, with those of the file in their place. No path: ours."""
    if not path:
        return Texts()
    try:
        return replaced(tomllib.loads(Path(path).read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise SettingsError(f"AGENT_TEXTS_FILE: {path} cannot be read: {error.strerror}") from None
    except ValueError as error:  # not UTF-8, not TOML, or not a sentence of ours
        raise SettingsError(f"AGENT_TEXTS_FILE: {path}: {error}") from None
