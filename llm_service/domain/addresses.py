"""Is this where a model server can be? A URL that everybody reads alike, and that carries no password."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

NO_HOST = "its host or its port is none"

_shape = re.compile(r"https?://[^/\s@]+(/\S*)?").fullmatch


def _checked(url: str) -> str:
    """The URL as it is. A ValueError that does not repeat it."""
    if not _shape(url) or not url.isprintable():
        raise ValueError("should be http:// or https:// and a host, without a user")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(NO_HOST) from None
    if not host or port == 0:
        raise ValueError(NO_HOST)
    return url


Url = Annotated[str, AfterValidator(_checked)]
