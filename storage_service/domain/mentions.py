"""Does a body, as a provider sent it, name a person? By what channels call them, however that is written there.

A long number is looked for anywhere: what stands around it differs. Any other name has to stand alone, so that whoever
is called "7" is not found in every time and every price.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

# A phone number, or a number that a provider gives to people; the plus and what stands before it are not always there.
_NUMBER = re.compile(r"(?:[a-z_]+:)?\+?([0-9]{7,})", re.ASCII)
# What nobody has to escape: https://datatracker.ietf.org/doc/html/rfc3986#section-2.3
_PLAIN = re.compile(r"[0-9A-Za-z._~-]+", re.ASCII)
_ESCAPED = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|([^u]))", re.DOTALL)
_BREAKS = frozenset(b"bfnrt")


class Mentions:
    """A person's names, to look for."""

    def __init__(self, names: Iterable[str]) -> None:
        known = {name: _NUMBER.fullmatch(name) for name in names if name}
        self._numbers = tuple({number[1].encode() for number in known.values() if number})
        self._words = tuple(_Word.of(name) for name, number in known.items() if not number)

    def are_in(self, body: bytes) -> bool:
        if any(number in body for number in self._numbers):
            return True
        likely = [word for word in self._words if word.may_be_in(body)]
        return bool(likely) and any(word.alone.search(said) for said in _readings(body) for word in likely)


@dataclass(frozen=True, slots=True)
class _Word:
    """Any other name."""

    said: bytes
    is_plain: bool
    alone: re.Pattern[bytes]

    @classmethod
    def of(cls, name: str) -> "_Word":
        said = name.encode()
        alone = re.compile(rb"(?<![0-9A-Za-z])" + re.escape(said) + rb"(?![0-9A-Za-z])")
        return cls(said, _PLAIN.fullmatch(name) is not None, alone)

    def may_be_in(self, body: bytes) -> bool:
        """A quick look, which nearly always ends it."""
        return not self.is_plain or self.said in body


def _readings(body: bytes) -> Iterable[bytes]:
    """As it came, as a form, and as JSON, which may stand in the form."""
    yield body
    form = unquote_to_bytes(body.replace(b"+", b" ")) if b"%" in body or b"+" in body else body
    if form != body:
        yield form
    if b"\\" in form:
        yield _ESCAPED.sub(_unescaped, form)


def _unescaped(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        return chr(int(escape[1], 16)).encode(errors="surrogatepass")
    return b" " if escape[2][0] in _BREAKS else escape[2]
