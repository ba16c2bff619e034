"""Is the tree fit to land? Every check that needs no running mesh, each with one line, and all of them in any case,
beside each other: nothing that one reads is written by another.
"""

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
MAIN = ("origin/main", "main")


def main() -> int:
    checks: tuple[tuple[str, Callable[[], str | None]], ...] = (
        ("mypy --strict", lambda: _run("mypy")),
        ("house rules", lambda: _run("pytest", "tests/house")),
        ("ruff check", lambda: _run("ruff", "check", "--quiet", ".")),
        ("ruff format", lambda: _run("ruff", "format", "--quiet", "--diff", ".")),
        ("buf lint", lambda: _run("buf", "lint")),
        ("buf format", lambda: _run("buf", "format", "--diff", "--exit-code")),
        ("buf breaking", _breaking),
        ("generated files", lambda: _run("python", "-m", "scripts.generated")),
    )
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # the longest are first
        return 0 if all(list(pool.map(_passes, *zip(*checks, strict=True)))) else 1


def _passes(name: str, check: Callable[[], str | None]) -> bool:
    began = time.monotonic()
    complaint = check()
    line = f"{'ok' if complaint is None else 'FAILED':<7}{name} ({time.monotonic() - began:.1f} s)\n"
    print(line if complaint is None else f"{line}{complaint}\n", end="", flush=True)
    return complaint is None


def _run(tool: str, *arguments: str) -> str | None:
    done = subprocess.run([str(BIN / tool), *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else done.stdout + done.stderr


def _breaking() -> str | None:
    """Compares the contract with the one on main, where git and a main are at hand."""
    for ref in MAIN:
        asked = ["git", "archive", ref, "proto", "buf.yaml"]
        archive = subprocess.run(asked, cwd=ROOT, capture_output=True, check=False)
        if archive.returncode == 0:
            with tempfile.TemporaryDirectory() as folder:
                with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
                    files.extractall(folder, filter="data")
                return _run("buf", "breaking", "--against", folder)
    print("       buf breaking: no main to compare with here", flush=True)
    return None


if __name__ == "__main__":
    sys.exit(main())
