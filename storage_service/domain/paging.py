"""Where does the next page begin? An opaque token holds the last row's key, and works for the same query only.

Pages go by key, never by offset: a row that is added meanwhile shifts nothing, and page 1,000 costs what page 1 costs.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from kit.errors import InvalidField
from kit.moments import EPOCH
from storage_service.domain.weights import MOST_LISTED_BYTES, ROW_BYTES, fitting

DEFAULT_SIZE = 50
MAX_SIZE = 500

Row = TypeVar("Row")
Key = tuple[str | datetime, ...]
Query = tuple[object, ...]


def size(asked: int, default: int = DEFAULT_SIZE) -> int:
    """How many rows a page has."""
    return min(asked, MAX_SIZE) if asked > 0 else default


def token(key: Key, query: Query) -> str:
    """Names the place after `key` in the list that `query` asks for."""
    body = json.dumps([_mark(query), [_written(part) for part in key]], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")


def place(page_token: str, kinds: Sequence[type], *, query: Query) -> Key | None:
    """The key that a token names, each part of its kind; None for the first page. Raises for any other token."""
    if not page_token:
        return None
    try:
        padded = page_token + "=" * (-len(page_token) % 4)
        mark, parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if mark == _mark(query) and len(parts) == len(kinds):
            return tuple(_read(part, kind) for part, kind in zip(parts, kinds, strict=True))
    except (ValueError, TypeError, RecursionError, OverflowError):
        pass
    raise InvalidField([("page_token", "is not a token of this list")])


def cut(
    rows: Sequence[Row],
    most: int,
    *,
    key: Callable[[Row], Key],
    query: Query,
    weigh: Callable[[Row], int] | None = None,
) -> tuple[list[Row], str]:
    """The page, and the token of the next one, given one row more than the page holds if there is one. Rows that may be
    long have a weight, and the page ends where the next one would be too much."""
    page = list(rows[:most])
    if weigh is not None:
        page = page[: fitting((ROW_BYTES + weigh(row) for row in page), MOST_LISTED_BYTES)]
    return page, token(key(page[-1]), query) if len(rows) > len(page) else ""


def _mark(query: Query) -> str:
    return hashlib.sha256(json.dumps([str(part) for part in query]).encode()).hexdigest()[:16]


def _written(part: str | datetime) -> str | int:
    # In whole numbers: seconds since 1970 as a float lose microseconds in far years.
    return (part - EPOCH) // timedelta(microseconds=1) if isinstance(part, datetime) else part


def _read(part: object, kind: type) -> str | datetime:
    if kind is datetime and isinstance(part, int) and not isinstance(part, bool):
        return EPOCH + timedelta(microseconds=part)
    if kind is str and isinstance(part, str) and "\x00" not in part:
        part.encode()  # JSON can name half a surrogate pair, and no database can look it up.
        return part
    raise ValueError("not a key")
