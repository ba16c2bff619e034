"""Could a statement on a tenant's table be written that forgets the tenant?"""

import ast
from pathlib import Path

import pytest

import storage_service.backends

BACKENDS = Path(storage_service.backends.__file__).parent
BUILDS = {"select", "update", "delete", "insert", "text", "exec_driver_sql"}
# file -> what it may build by itself, and why.
MAY = {
    "rows.py": {"select", "update", "delete", "text"},  # The place where the tenant is put in; and conditions.
    "footprint.py": {"text"},  # Conditions only.
    "tenants.py": {"select"},  # The table of tenants belongs to no tenant.
    "vault.py": {"select"},  # Finds out whose account a webhook's URL names; rotates keys for all.
    "api_keys.py": {"select"},  # Finds out whose key somebody shows.
    "account_health.py": {"select"},  # Counts the accounts of all tenants.
    "drafts.py": {"select"},  # Finds out whose drafts are to be looked at.
    "open_work.py": {"select", "text"},  # Counts the work of all tenants.
    "moving.py": {"select", "insert"},  # Copies the rows of all tenants.
    "at_work.py": {"select"},  # When a storage said that it lives belongs to no tenant.
    "restored.py": {"select"},  # Ends the work of all tenants.
    "listeners.py": {"select"},  # A process listens for accounts of all tenants.
    "sessions.py": {"exec_driver_sql"},  # The write lock and the checkpoint of SQLite.
    "lanes.py": {"text"},  # Conditions only.
    "hand_offs.py": {"text"},  # Conditions only.
    "schema.py": {"text"},  # Migrations.
    "write_probe.py": {"text"},  # Writes to a table of its own that is gone at once.
}
FILES = sorted(path.name for path in BACKENDS.glob("*.py"))


@pytest.mark.parametrize("name", FILES)
def test_only_rows_builds_statements(name: str) -> None:
    built = {
        called
        for node in ast.walk(ast.parse((BACKENDS / name).read_text()))
        if isinstance(node, ast.Call) and (called := _free_name(node.func)) in BUILDS
    }
    assert built <= MAY.get(name, set())


def _free_name(function: ast.expr) -> str:
    """A plain name, or a method of anything but `rows`, which puts the tenant in."""
    if isinstance(function, ast.Name):
        return function.id
    if isinstance(function, ast.Attribute) and function.attr == "exec_driver_sql":
        return function.attr
    return ""
