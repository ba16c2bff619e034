"""Has the machine what `make test` needs beyond Python? A browser, Node with what it runs, llama.cpp, lingua.

What is missing is installed where that is possible, and otherwise said aloud; with CI=true it is an error.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# folders with a package.json, and the lock of its packages
NODE_PROGRAMS = (ROOT / "tests/clients/node", ROOT / "examples/typescript")
# llama.cpp's server is a wheel of 34 MB that only tests need, so it is not in requirements.lock.
LLAMA_LOCK, LLAMA = ROOT / "tests/suites/llm/llama_server.lock", ROOT / ".venv/llama"
# So is what tells languages apart, where an operator asks for it: a wheel of 94 MB.
LINGUA_LOCK, LINGUA = ROOT / "tests/suites/agent/lingua.lock", ROOT / ".venv/lingua"
# command that proves it is there -> Debian package that brings it
TOOLS = {"chromium": "chromium", "node": "nodejs", "npm": "npm"}


def main() -> int:
    missing = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if missing:
        _install(missing)
    problems = [f"{tool} is missing (Debian, Ubuntu: apt-get install {package})" for tool, package in TOOLS.items()]
    problems = [text for text in problems if shutil.which(text.partition(" ")[0]) is None]
    for folder in NODE_PROGRAMS if shutil.which("npm") else ():
        if not _node_packages(folder):
            problems.append(f"npm could not install the packages of {folder.relative_to(ROOT)}")
    for what, lock, folder in (("llama.cpp's server", LLAMA_LOCK, LLAMA), ("lingua", LINGUA_LOCK, LINGUA)):
        if not _beside(lock, folder):
            problems.append(f"{what} could not be installed from {lock.relative_to(ROOT)}")
    for problem in problems:
        print(f"\n*** test tools: {problem}; the tests that need it will FAIL ***\n", file=sys.stderr)
    return 1 if problems and os.environ.get("CI") == "true" else 0


def _install(packages: list[str]) -> None:
    """Takes them from the distribution, where that is Debian's kind and we may."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    print(f"test tools: installing {', '.join(packages)} from the distribution's packages", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        subprocess.run(["apt-get", "-qq", *command], env=quiet, check=False, stdout=subprocess.DEVNULL)


def _node_packages(folder: Path) -> bool:
    """Installs exactly what package-lock.json names, once per lock."""
    command = ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"]
    return _once(folder / "package-lock.json", folder / "node_modules", command=command, cwd=folder)


def _beside(lock: Path, folder: Path) -> bool:
    """Installs exactly what the lock names, beside the packages of .venv."""
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv), "pip", "install", "--quiet", "--target", str(folder), "--require-hashes", "-r", str(lock)]
    return _once(lock, folder, command=command, cwd=ROOT)


def _once(lock: Path, folder: Path, *, command: list[str], cwd: Path) -> bool:
    """Runs what fills the folder, unless it was filled from this very lock."""
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = folder / ".lock.stamp"
    if stamp.exists() and stamp.read_text() == wanted:
        return True
    done = subprocess.run(command, cwd=cwd, check=False)
    if done.returncode == 0:
        stamp.write_text(wanted)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
