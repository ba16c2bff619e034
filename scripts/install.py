"""How does a bare machine get the environment? A venv with exactly the lock, then Parley itself with fresh stubs.

Runs with any Python 3.11+ and nothing installed. What is as it should be is left alone, so a second
run is instant.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

HERE = Path(__file__).resolve()
ROOT = HERE.parent.parent
LOCK = ROOT / "requirements.lock"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"


def main() -> int:
    began = time.monotonic()
    try:
        worked = _environment() | _package()
    except subprocess.CalledProcessError as error:
        print(f"setup: this command failed, see above: {' '.join(map(str, error.cmd))}", file=sys.stderr)
        return 1
    if worked:
        print(f"setup: ready in {time.monotonic() - began:.0f} s; the commands are in .venv/bin")
    return 0


def _environment() -> bool:
    """Makes .venv hold exactly what the lock names."""
    wanted = _digest([LOCK, HERE], extra=f"{sys.version_info[:2]}")  # and how: what is installed otherwise is so anew
    if _stamped("lock", wanted):
        return False
    if not _usable():
        print(f"setup: making .venv with Python {sys.version.split()[0]}", flush=True)
        shutil.rmtree(VENV, ignore_errors=True)
        venv.create(VENV, with_pip=True)
    print("setup: installing what requirements.lock names", flush=True)
    _install_locked()
    _stamp("lock", wanted)
    return True


def _install_locked() -> None:
    """Installs by uv, itself taken from the lock; by pip where uv cannot reach what pip can."""
    pin = VENV / "uv.txt"
    pin.write_text(locked("uv"))
    _run(PYTHON, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "-r", pin)
    sync = (VENV / "bin" / "uv", "pip", "sync", "--quiet", "--compile-bytecode", "--require-hashes")
    try:
        _run(*sync, "--python", PYTHON, LOCK)
    except subprocess.CalledProcessError:
        print("setup: uv could not; trying the same with pip, which takes longer", flush=True)
        _run(PYTHON, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "-r", LOCK)


def _package() -> bool:
    """Installs Parley itself in place, which also makes the stubs of the contract."""
    sources = [HERE, ROOT / "pyproject.toml", ROOT / "hatch_build.py", *sorted((ROOT / "proto").rglob("*.proto"))]
    wanted = _digest(sources)
    if _stamped("package", wanted) and (ROOT / "gen/python/parley/_digest.py").exists():
        return False
    print("setup: installing parley and generating the stubs of proto/", flush=True)
    uv = (VENV / "bin" / "uv", "pip", "install", "--quiet", "--python", PYTHON)
    _run(*uv, "--no-deps", "--no-build-isolation", "--editable", ROOT)
    _compile()
    _stamp("package", wanted)
    return True


def _compile() -> None:
    """Once, so that no process does it as it starts, which takes as long again: the first time, and where
    PYTHONDONTWRITEBYTECODE is set every time."""
    packages = sorted({file.parent for file in ROOT.glob("*/__init__.py")})
    _run(PYTHON, "-m", "compileall", "-q", "-j", "0", *packages, ROOT / "gen")


def _usable() -> bool:
    """A venv made by another Python, or half made, is made anew."""
    if not (VENV / "bin" / "pip").exists():
        return False
    asked = [str(PYTHON), "-c", "import sys; print(sys.version_info[:2])"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    return answer.stdout.strip() == str(sys.version_info[:2])


def locked(name: str) -> str:
    """The lock's lines about one package, hashes included."""
    lines = LOCK.read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"{name}=="))
    end = next(n for n in range(start + 1, len(lines) + 1) if n == len(lines) or not lines[n].startswith(" "))
    return "\n".join(line for line in lines[start:end] if not line.lstrip().startswith("#")) + "\n"


def _run(*command: str | Path) -> None:
    environment = dict(os.environ)
    environment.setdefault("UV_SYSTEM_CERTS", "1")  # a company's proxy is known to the machine, not to uv
    environment.setdefault("UV_NATIVE_TLS", "1")
    environment.setdefault("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    environment.pop("VIRTUAL_ENV", None)
    subprocess.run([str(part) for part in command], check=True, env=environment, cwd=ROOT)


def _digest(files: list[Path], extra: str = "") -> str:
    total = hashlib.sha256(extra.encode())
    for file in files:
        total.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()


def _stamped(name: str, wanted: str) -> bool:
    stamp = VENV / f".{name}.stamp"
    return PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted


def _stamp(name: str, value: str) -> None:
    (VENV / f".{name}.stamp").write_text(value)


if __name__ == "__main__":
    sys.exit(main())
