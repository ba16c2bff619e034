"""What is a snowflake? Discord's id of anything: a number that says when it was made.

https://docs.discord.com/developers/reference#snowflakes
"""

import re
from datetime import datetime
from hashlib import sha256

FIRST_MILLISECOND = 1_420_070_400_000  # 2015, when they begin
BEHIND_THE_TIME = 22  # bits
_SHAPE = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


def is_id(text: str) -> bool:
    """True when it has the form of one."""
    return _SHAPE.fullmatch(text) is not None


def said_at(number: str) -> int:
    """When it was made, in milliseconds since 1970."""
    return (int(number) >> BEHIND_THE_TIME) + FIRST_MILLISECOND


def id_of(name: str) -> str:
    """One that always stands for this name, for webhooks made by ourselves."""
    return str(int.from_bytes(sha256(name.encode()).digest()[:7], "big") | 1)


def id_at(now: datetime, name: str) -> str:
    """One of now; another name gives another."""
    milliseconds = max(int(now.timestamp() * 1000) - FIRST_MILLISECOND, 1)
    return str(milliseconds << BEHIND_THE_TIME | int.from_bytes(sha256(name.encode()).digest()[:2], "big"))
