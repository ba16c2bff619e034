"""Which committed files are made from others, and are they fresh? .env.example, and marked blocks in the pages.

A block stands between `<!-- generated: name argument -->` and `<!-- end -->`; `make generate` writes them all.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

from scripts import alerts, tables

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "docs/*.md", "*/README.md")
BLOCK = re.compile(r"(<!-- generated: (\w+)(?: (\S+))? -->\n).*?(<!-- end -->)", re.DOTALL)

WRITERS: dict[str, Callable[[str], str]] = {
    "settings": tables.settings,
    "rpcs": tables.rpcs,
    "reasons": tables.reasons,
    "channels": tables.channels,
    "metrics": tables.metrics,
    "alerts": alerts.table,
    "targets": tables.targets,
    "models_file": tables.models_file,
    "models_example": tables.models_example,
    "help": tables.command_help,
}


def main() -> int:
    """With --write brings them up to date; without, names what is not."""
    late = stale()
    if "--write" in sys.argv:
        for path, text in late.items():
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")
        return 0
    for path in late:
        print(f"{path.relative_to(ROOT)} is not what `make generate` writes")
    return 1 if late else 0


def stale() -> dict[Path, str]:
    """The files that would change, and what they would say."""
    wanted = {ROOT / ".env.example": tables.env_example()}
    for pattern in PAGES:
        wanted |= {page: _fresh(page.read_text()) for page in sorted(ROOT.glob(pattern))}
    return {path: text for path, text in wanted.items() if not path.exists() or path.read_text() != text}


def _fresh(text: str) -> str:
    return BLOCK.sub(lambda found: f"{found[1]}{WRITERS[found[2]](found[3] or '')}{found[4]}", text)


if __name__ == "__main__":
    sys.exit(main())
