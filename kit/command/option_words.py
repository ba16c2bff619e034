"""Which options may an account have, and what does `--option NAME=VALUE` say of them?"""

import difflib
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from kit.command import accounts
from kit.command.screen import Mistake, document, table

COLUMNS = ("option", "takes", "what")


def listing(channel: str, *, as_json: bool) -> None:
    """Those of a channel, in a table or for a program."""
    known = accounts.channels()
    if channel not in known:
        raise Mistake(f"there is no channel {channel!r}", fix=f"one of: {', '.join(sorted(known))}")
    found = [(each.name, each.takes, each.description) for each in _of(channel)]
    if as_json:
        rows = [dict(zip(("name", "takes", "description"), each, strict=True)) for each in found]
        document({"options": rows})
        return
    table(COLUMNS, found)


def changed(channel: str, stored: Mapping[str, str], *, words: Sequence[str]) -> dict[str, str]:
    """What is stored, with what the words say; NAME= takes one away."""
    names = [each.name for each in _of(channel)]
    options = dict(stored)
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise Mistake(f"--option {name} has no value", fix=f"--option {name}=VALUE, or {name}= to take it away")
        if name not in names and name not in stored:
            near = difflib.get_close_matches(name, names, 1)
            meant = f"did you mean {near[0]}? All of them: " if near else ""
            raise Mistake(f"{channel} has no option {name!r}", fix=f"{meant}parley channels options {channel}")
        options[name] = value.strip()
    return {name: value for name, value in options.items() if value}


def has(channel: str, name: str) -> bool:
    """Whether it means anything on the channel."""
    return any(each.name == name for each in _of(channel))


def _of(channel: str) -> Sequence[Any]:
    """The table, when it is asked: kit does not depend on channels."""
    found: Sequence[Any] = importlib.import_module("channels.options").of(channel)
    return found
