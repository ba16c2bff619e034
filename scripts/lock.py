"""Which exact versions are installed? Resolves pyproject.toml into requirements.lock, hashes and all platforms in."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
HEADER = "# Made by `make lock` from pyproject.toml, the development group included. Do not edit.\n"
OPTIONS = (
    "--quiet --generate-hashes --universal --python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links"
)


def main() -> int:
    """Upgrades only what it is told to: `scripts/lock.py --upgrade`, `--upgrade-package NAME`."""
    uv = Path(sys.executable).with_name("uv")
    wanted = ["pyproject.toml", "--group", "dev", "-o", str(LOCK), *sys.argv[1:]]
    subprocess.run([str(uv), "pip", "compile", *OPTIONS.split(), *wanted], check=True, cwd=ROOT)
    LOCK.write_text(HEADER + LOCK.read_text().removeprefix(HEADER))
    return 0


if __name__ == "__main__":
    sys.exit(main())
