"""What does a text say once what hides it is undone? Spaced letters, base64, hex, ROT13, backwards: each one time only.

Every way has a cap, so that the work has a bound whatever is sent.
"""

import base64
import binascii
import codecs
import re
from collections.abc import Callable, Iterator
from itertools import islice

import re2

from agent_service.domain.guard.sets import any_of

# Characters of a text that are looked at backwards and as ROT13, and all that may come out of encoded pieces.
MOST_TURNED = 512
MOST_DECODED = 2_048
MOST_PIECES = 4
MOST_RUNS, MOST_RUN = 8, 256
LEAST_READABLE = 0.9

# Letters one by one, as words of a folded text; wider gaps are between words.
_SPACED = re.compile(r"(?<!\S)[a-z0-9@$!|](?:[ \n]{1,3}[a-z0-9@$!|](?!\S)){3,}")
_IS_SPACED = any_of([rb"(?: [a-z0-9@$!|]){3}"])
_WIDE = re.compile(r"[ \n]{2,}")
_CODES = (rb"(?:(?:0x|\\x|%)?[0-9A-Fa-f]{2}[ :,]?){8,}", rb"[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX, _BASE64 = map(re2.compile, _CODES)
_IS_CODED = any_of(_CODES)
_NOT_HEX = re.compile(rb"0x|\\x|[^0-9A-Fa-f]")
_STANDARD = bytes.maketrans(b"-_", b"+/")
_ROT13 = str.maketrans("abcdefghijklmnopqrstuvwxyz", codecs.encode("abcdefghijklmnopqrstuvwxyz", "rot13"))


def joined(text: str, segmented: Callable[[str], list[str]]) -> list[list[str]]:
    """The words of letters that stand apart, as in i g n o r e; none when there are no such letters."""
    found: list[list[str]] = []
    if not _IS_SPACED.Match(text.replace("\n", " ").encode("utf-8", "replace")):
        return found
    for run in islice(_SPACED.finditer(text), MOST_RUNS):
        pieces = [each.replace(" ", "").replace("\n", "") for each in _WIDE.split(run[0][: 2 * MOST_RUN])]
        found.append([word for piece in pieces for word in segmented(piece)])
    return found


def decoded(plain: bytes) -> Iterator[str]:
    """Texts that were written as base64 or hex."""
    if not _IS_CODED.Match(plain):
        return
    left = MOST_DECODED
    for pattern, decode in ((_HEX, _from_hex), (_BASE64, _from_base64)):
        for piece in islice(pattern.finditer(plain), MOST_PIECES):
            said = decode(piece.group()[: 2 * MOST_DECODED])[:left]
            left -= len(said)
            if said:
                yield said
            if left <= 0:
                return


def turned(text: str) -> tuple[str, str]:
    """The first of it as ROT13, and backwards."""
    part = text[:MOST_TURNED]
    return part.translate(_ROT13), part[::-1]


def _from_base64(piece: bytes) -> str:
    plain = piece.rstrip(b"=").translate(_STANDARD)
    plain = plain[: len(plain) - (len(plain) % 4 == 1)]
    try:
        return _readable(base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True))
    except (binascii.Error, ValueError):
        return ""


def _from_hex(piece: bytes) -> str:
    digits = _NOT_HEX.sub(b"", piece)
    return _readable(bytes.fromhex(digits[: len(digits) // 2 * 2].decode()))


def _readable(said: bytes) -> str:
    """Only what could be a person's text; most words of 16 letters are none when decoded."""
    text = said.decode("utf-8", "ignore")
    printable = sum(map(str.isprintable, text)) + text.count("\n")
    return text if printable >= LEAST_READABLE * max(1, len(said)) else ""
