"""How many segments is a text message of, each of which is paid for, and which is the cheapest way to write it?

Alphabets: 3GPP TS 23.038, 6.2.1. Segments and their sizes: https://www.twilio.com/docs/glossary/what-sms-character-limit
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

Encoding = Literal["GSM-7", "UCS-2"]

# Twilio: some carriers have trouble with messages of more than ten.
# https://help.twilio.com/articles/223181508-Does-Twilio-support-concatenated-SMS-messages-or-messages-over-160-characters-
MOST = 10
_HIGHEST = 24  # of 1,600 characters, which are Twilio's limit of a message
_PAIRED = "^{}\\[~]|\u20ac\f"  # an escape and a letter: two septets, which stand in one segment
_SINGLE = (
    "@\u00a3$\u00a5\u00e8\u00e9\u00f9\u00ec\u00f2\u00c7\n\u00d8\u00f8\r\u00c5\u00e5\u0394_\u03a6\u0393\u039b\u03a9"
    "\u03a0\u03a8\u03a3\u0398\u039e\u00c6\u00e6\u00df\u00c9 !\"#\u00a4%&'()*+,-./0123456789:;<=>?\u00a1"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ\u00c4\u00d6\u00d1\u00dc\u00a7\u00bfabcdefghijklmnopqrstuvwxyz\u00e4\u00f6\u00f1\u00fc\u00e0"
)
_GSM_7 = re.compile(f"[{re.escape(_SINGLE + _PAIRED)}]*")
_DOUBLE: Mapping[Encoding, re.Pattern[str]] = {
    "GSM-7": re.compile(f"[{re.escape(_PAIRED)}]"),
    "UCS-2": re.compile("[\U00010000-\U0010ffff]"),  # a surrogate pair
}
_ALONE: Mapping[Encoding, int] = {"GSM-7": 160, "UCS-2": 70}
_IN_A_ROW: Mapping[Encoding, int] = {"GSM-7": 153, "UCS-2": 67}  # the rest says which of how many it is

# What print has and GSM-7 has not -> what says the same there.
_PLAINER = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2022", "-"),
        **dict.fromkeys("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f", " "),
        **dict.fromkeys("\u00ad\u200b\u2060\ufeff", ""),  # where a word may or may not break
        **dict.fromkeys("\u2028\u2029", "\n"),
        "\u2026": "...",
        "\u2039": "<",
        "\u203a": ">",
        "\u2044": "/",
    }
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one text message is made of."""

    segments: int
    encoding: Encoding


@dataclass(frozen=True, slots=True)
class Segmenting:
    """How many segments one part may be of, and whether print's signs may become plainer ones to save some."""

    most: int = MOST
    smart: bool = True

    @property
    def always(self) -> int:
        """UTF-16 units that are never of more segments: a pair may leave the last place of each one empty."""
        return (_IN_A_ROW["UCS-2"] - 1) * self.most

    def asked(self, options: Mapping[str, str]) -> "Segmenting":
        """As the account's options want it. What they do not say well is as here."""
        stated = options.get("max_segments", "")
        most = int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 9 else self.most
        smart = {"true": True, "false": False}.get(options.get("smart_encoding", ""), self.smart)
        return replace(self, most=min(max(most, 1), _HIGHEST), smart=smart)

    def holds(self, text: str) -> bool:
        """Whether a part may be this long. If it may, so may all of its beginnings."""
        return cost(self.written(text)).segments <= self.most

    def written(self, text: str) -> str:
        """As it is sent: with plainer signs where these make it cost less."""
        if not self.smart or text.isascii() or _GSM_7.fullmatch(text):
            return text
        plainer = text.translate(_PLAINER)
        cheaper = _GSM_7.fullmatch(plainer) and cost(plainer).segments <= cost(text).segments
        return plainer if cheaper and plainer.strip() else text


def cost(text: str) -> Cost:
    """By its own characters: one that GSM-7 has not makes all of it UCS-2. An empty text is one segment, too."""
    encoding: Encoding = "GSM-7" if _GSM_7.fullmatch(text) else "UCS-2"
    doubles = [match.start() for match in _DOUBLE[encoding].finditer(text)]
    if len(text) + len(doubles) <= _ALONE[encoding]:
        return Cost(1, encoding)
    room, more = _IN_A_ROW[encoding], 0
    for start in doubles:  # what takes two stands in one segment, which may leave the last place of one empty
        more += 2 if (start + more) % room == room - 1 else 1
    return Cost(-(-(len(text) + more) // room), encoding)
