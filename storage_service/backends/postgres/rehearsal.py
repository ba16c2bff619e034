"""What does a new connection do before its first work? It asks what its kind of work usually asks, of no rows.

The driver looks a table's type up when it first meets it, and Postgres plans a statement when it first runs it: some
20 ms for the types and some 3 for each plan, on every connection, for which a message would wait.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from storage_service.backends.postgres.writes import Writes
from storage_service.backends.statements import Statements
from storage_service.backends.written import ALL
from storage_service.domain.database import Kind

TYPES = "SELECT " + ", ".join(f"${place}::{written.table}[]" for place, written in enumerate(ALL, start=1))

# A statement by its name; what is written together, by the names of all of it.
USUAL: Mapping[Kind, Sequence[str | tuple[str, ...]]] = {
    "accept": (
        *("seats", "add_contacts", "add_conversations", "lanes_and_settings", "seen"),
        ("new_messages", "new_turns", "new_raw_payloads", "conversations"),
    ),
    "read": ("history",),
    "turns": ("answered_turns", ("new_messages", "turns", "new_deliveries", "count_tokens", "conversations")),
    "deliveries": (
        *("locked_deliveries", "paces", "attempts", "early"),
        ("deliveries", "new_attempts"),
        ("deliveries", "new_attempts", "new_paces"),
        ("deliveries", "attempts", "sending_lanes"),
        ("deliveries", "attempts", "new_paces", "sending_lanes"),
        ("attempts", "new_paces", "sending_lanes"),
    ),
}
_mark = re.compile(r"\$\d+")


async def rehearse(
    connection: "asyncpg.Connection[Any]", kind: Kind, *, statements: Statements, writes: Writes
) -> None:
    """Every parameter is NULL, and an array that is NULL has no rows: nothing is found and nothing written."""
    names = USUAL.get(kind, ())
    texts = [writes.text(name) if isinstance(name, tuple) else statements[name] for name in names]
    await connection.prepare(TYPES)
    for text in texts:
        await connection.fetch(text, *[None] * len(set(_mark.findall(text))))
