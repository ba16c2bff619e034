"""What does `parley doctor` do? Runs every check, prints each finding with its fix, and ends with 0, 1 or 2."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from kit.command import checks
from kit.command.findings import Finding, Level
from kit.command.screen import say

MARKS = {Level.OK: ("ok", "green"), Level.LOOK: ("look", "yellow"), Level.BROKEN: ("broken", "bold red")}


async def doctor(*, as_json: bool, **overrides: Any) -> int:
    """Returns 0 when all is well, 1 when something deserves a look, 2 when something is broken."""
    found = await checks.everything(**overrides)
    if as_json:
        rows = [
            {"level": each.level.name.lower(), "about": each.about, "found": each.found, "fix": each.fix}
            for each in found
        ]
        sys.stdout.write(json.dumps({"exit_code": _worst(found), "findings": rows}, indent=2) + "\n")
    else:
        _show(found)
    return _worst(found)


def _show(found: Sequence[Finding]) -> None:
    for each in found:
        mark, style = MARKS[each.level]
        say(f"{mark:<7} {each.about:<12} {each.found}", "" if each.level is Level.OK else style)
        if each.fix:
            say(f"{'':<7} {'':<12} fix: {each.fix}")


def _worst(found: Sequence[Finding]) -> int:
    return max((each.level.value for each in found), default=0)
