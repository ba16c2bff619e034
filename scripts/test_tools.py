"""Has the machine what `make test` needs beyond Python? A browser, and Node with the packages of the Node client.

What is missing is installed where that is possible, and otherwise said aloud; with CI=true it is an error.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NODE_CLIENT = ROOT / "tests/clients/node"
# command that proves it is there -> Debian package that brings it
TOOLS = {"chromium": "chromium", "node": "nodejs", "npm": "npm"}


def main() -> int:
    missing = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if missing:
        _install(missing)
    problems = [f"{tool} is missing (Debian, Ubuntu: apt-get install {package})" for tool, package in TOOLS.items()]
    problems = [text for text in problems if shutil.which(text.partition(" ")[0]) is None]
    if shutil.which("npm") and not _node_packages():
        problems.append(f"npm could not install the packages of {NODE_CLIENT.relative_to(ROOT)}")
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


def _node_packages() -> bool:
    """Installs exactly what package-lock.json names, once per lock."""
    lock = NODE_CLIENT / "package-lock.json"
    if not lock.exists():
        return True
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = NODE_CLIENT / "node_modules/.lock.stamp"
    if stamp.exists() and stamp.read_text() == wanted:
        return True
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=NODE_CLIENT, check=False)
    if done.returncode == 0:
        stamp.write_text(wanted)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
