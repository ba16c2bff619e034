"""How is a form written? As urllib's urlencode does, which takes twice as long: it looks at each letter by itself."""

import re
from collections.abc import Mapping

_QUOTED = re.compile(rb"[^A-Za-z0-9_.~ -]")
_CODES = {bytes([number]): b"%%%02X" % number for number in range(256)}


def written(fields: Mapping[str, str]) -> bytes:
    """The body. Names are a provider's, and have nothing that would be quoted."""
    return "&".join([f"{name}={_quoted(text)}" for name, text in fields.items()]).encode()


def _quoted(text: str) -> str:
    return _QUOTED.sub(_code, text.encode()).replace(b" ", b"+").decode()


def _code(found: re.Match[bytes]) -> bytes:
    return _CODES[found[0]]
