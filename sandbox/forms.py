"""What is in a form that files are posted in? RFC 7578: fields by their names, and files with their types."""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from channels.channel import Unreadable
from sandbox.files import File, file_of
from sandbox.provider import Ask

FORM = "multipart/form-data"
MOST_PARTS = 100
_BOUNDARY = re.compile(r'boundary="?([^";,]{1,70})"?')
_NAME = re.compile(r'[; ]name="?([^";]*)"?')
_FILE_NAME = re.compile(r'[; ]filename="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Filled:
    """Fields, and files by the names of theirs."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)


def is_form(ask: Ask) -> bool:
    """Whether files may stand in it."""
    return ask.headers.get("content-type", "").lower().startswith(FORM)


def filled(ask: Ask) -> Filled:
    """Raises Unreadable."""
    found = _BOUNDARY.search(ask.headers.get("content-type", ""))
    if not found:
        raise Unreadable("no boundary")
    form = Filled()
    pieces = (b"\r\n" + ask.body).split(b"\r\n--" + found[1].encode("latin-1"))
    if len(pieces) < 3 or not pieces[-1].startswith(b"--") or len(pieces) > MOST_PARTS:
        raise Unreadable("not such a form")
    for piece in pieces[1:-1]:
        _fill(form, piece)
    return form


def _fill(form: Filled, piece: bytes) -> None:
    head, gap, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    headers = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    told = headers.get("content-disposition", "")
    named, of_file = _NAME.search(told), _FILE_NAME.search(told)
    if not gap or not named:
        raise Unreadable("a part without a name")
    if of_file:
        stated = headers.get("content-type", "")
        form.files[unquote(named[1])] = file_of(unquote(of_file[1]), stated, content=content)
    else:
        form.fields[unquote(named[1])] = content.decode("utf-8", "replace")
