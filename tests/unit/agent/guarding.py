"""The guardrails as they come, and texts to try them on, for the tests of them."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from agent_service.backends.rule_files import shipped
from agent_service.domain.guard.engine import Engine
from agent_service.domain.guard.rulebook import Rulebook

ROWS = Path(__file__).with_name("guard_rows.jsonl")


@cache
def book() -> Rulebook:
    return shipped()


@cache
def engine() -> Engine:
    return Engine(book())


@cache
def rows() -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines())


def rules(text: str) -> Engine:
    """Only those of a file with this text."""
    return Engine(Rulebook().with_file(text, file="own.toml"))
