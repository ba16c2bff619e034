"""Where do the hot statements come from? A file of named blocks: `-- name: what it does`, then the SQL.

`{Lane c}` in a statement stands for the columns of that row, in its order, under that alias.
"""

import re
from pathlib import Path

from storage_service.backends.written import BY_ROW

_block = re.compile(r"^-- (?P<name>[a-z_]+): (?P<about>.+)$", re.MULTILINE)
_columns = re.compile(r"\{(?P<row>[A-Z][A-Za-z]+) (?P<alias>[a-z]+)\}")


class Statements(dict[str, str]):
    """The statements of one dialect, by name."""

    @classmethod
    def load(cls, path: Path) -> "Statements":
        found = cls()
        _, *parts = _block.split(path.read_text(encoding="utf-8"))
        for name, _about, body in zip(parts[0::3], parts[1::3], parts[2::3], strict=True):
            if name in found:
                raise ValueError(f"{path.name}: {name} stands there twice")
            found[name] = _columns.sub(_listed, body.strip().rstrip(";"))
        return found


def _listed(match: re.Match[str]) -> str:
    return ", ".join(f"{match['alias']}.{column}" for column in BY_ROW[match["row"]].columns)
