"""What does `parley doctor` do? Runs every check, prints each finding with its fix, and ends with 0, 1 or 2."""

from typing import Any

from kit.command import checks
from kit.command.findings import report, rows, worst
from kit.command.screen import document


async def doctor(*, as_json: bool, **overrides: Any) -> int:
    """Returns 0 when all is well, 1 when something deserves a look, 2 when something is broken."""
    found = await checks.everything(**overrides)
    if not as_json:
        return report(found)
    document({"exit_code": worst(found), "findings": rows(found)})
    return worst(found)
