"""What must a protocol tell of itself so that one simulated server can speak it? A table of functions."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulated.model_speech import Heard, Saying

Body = dict[str, Any]

JSON = "application/json"


@dataclass(slots=True)
class Seen:
    """One request as the server saw it. The names of the headers are in lower case."""

    path: str
    body: Body
    headers: Mapping[str, str] = field(default_factory=dict)
    abandoned: bool = False
    began_load: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to a request that generates nothing. More than one piece makes a stream."""

    pieces: tuple[bytes, ...]
    status: int = 200
    content_type: str = JSON


@dataclass(frozen=True, slots=True)
class Voice:
    """How what a model says is asked for and written at one path."""

    hear: Callable[[Body], Heard]
    whole: Callable[[Body, Saying], Body]  # of the request and what is said
    pieces: Callable[[Body, Body], list[bytes]]  # the stream, of the request and the whole answer
    opening: int  # so many pieces, and the last of them is the first with text
    failed: Callable[[Body], Body]  # an answer of status 200 that holds an error
    broken: Callable[[Body, int], bytes]  # the same in a stream, after so many pieces
    refused: Callable[[Body], Reply | None]  # what is wrong with a request
    keep: Callable[[Body, Body], None] = lambda _asked, _whole: None  # what the server remembers of an answer


@dataclass(frozen=True, slots=True)
class Dialect:
    """One protocol: who is admitted, what each path answers, and how JSON, streams and errors are written."""

    name: str
    admits: Callable[[Mapping[str, str]], Reply | None]  # of the headers
    plain: Mapping[tuple[str, str], Callable[[Body], Reply]]  # method and path
    voices: Mapping[str, Voice]  # by path
    written: Callable[[Body], bytes]
    framed: Callable[[bytes], bytes]  # one piece of a stream
    stream_type: str
    streams: bool  # when the request does not say
    error: Callable[[int, str], Body]


def utf8(body: Body) -> bytes:
    """JSON without spaces, in UTF-8; in ASCII where a lone surrogate leaves no choice."""
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(body, separators=(",", ":")).encode()
