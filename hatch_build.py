"""Generates the Python stubs of the contract into gen/python whenever the package is built or installed."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # `python hatch_build.py` needs grpcio-tools alone
    BuildHookInterface = object  # type: ignore[assignment,misc]

STUBS = "gen/python/parley"


class StubsHook(BuildHookInterface):  # type: ignore[misc,type-arg]
    """Runs protoc before hatchling collects files, and adds the stubs to a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        generate(root)
        if version == "standard":
            build_data["force_include"][str(root / STUBS)] = "parley"


def digest(root: Path) -> str:
    """Names the contract that stubs were made from; a test compares it with the tree."""
    total = hashlib.sha256()
    for proto in sorted((root / "proto").rglob("*.proto")):
        total.update(proto.relative_to(root).as_posix().encode() + b"\0" + proto.read_bytes() + b"\0")
    return total.hexdigest()


def generate(root: Path) -> None:
    """Writes gen/python/parley anew; the old stubs stay when protoc fails."""
    protos = [p.relative_to(root / "proto").as_posix() for p in sorted((root / "proto").rglob("*.proto"))]
    target = root / STUBS
    with tempfile.TemporaryDirectory(dir=_made(root / "gen")) as folder:
        outs = ("python_out", "pyi_out", "grpc_python_out", "mypy_grpc_out=quiet:")
        flags = [f"--{out}{folder}" if out.endswith(":") else f"--{out}={folder}" for out in outs]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{root / 'proto'}", *flags, *protos]
        subprocess.run(command, check=True, env={**os.environ, "PATH": path})
        fresh = Path(folder) / "parley"
        for directory in (fresh, *(d for d in fresh.rglob("*") if d.is_dir())):
            (directory / "__init__.py").touch()
        (fresh / "py.typed").touch()
        (fresh / "_digest.py").write_text(f'"""Made by hatch_build.py."""\n\nDIGEST = "{digest(root)}"\n')
        shutil.rmtree(target, ignore_errors=True)
        _made(target.parent)
        shutil.move(fresh, target)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    generate(Path(__file__).parent)
