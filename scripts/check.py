"""Is the tree fit to land? Every check that needs no running mesh, each with one line, and all of them in any case."""

import io
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
MAIN = ("origin/main", "main")


def main() -> int:
    checks: tuple[tuple[str, Callable[[], str | None]], ...] = (
        ("ruff check", lambda: _run("ruff", "check", "--quiet", ".")),
        ("ruff format", lambda: _run("ruff", "format", "--quiet", "--diff", ".")),
        ("buf lint", lambda: _run("buf", "lint")),
        ("buf format", lambda: _run("buf", "format", "--diff", "--exit-code")),
        ("buf breaking", _breaking),
        ("mypy --strict", lambda: _run("mypy")),
        ("generated files", lambda: _run("python", "-m", "scripts.generated")),
        ("house rules", lambda: _run("pytest", "tests/house")),
    )
    return 1 if [name for name, check in checks if not _passes(name, check)] else 0


def _passes(name: str, check: Callable[[], str | None]) -> bool:
    began = time.monotonic()
    complaint = check()
    print(f"{'ok' if complaint is None else 'FAILED':<7}{name} ({time.monotonic() - began:.1f} s)", flush=True)
    if complaint is not None:
        print(complaint, flush=True)
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
