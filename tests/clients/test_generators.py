"""Does buf.gen.yaml give the generators of other languages what they need? A plug-in in their place says what came."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUF = Path(sys.executable).with_name("buf")
GENERATORS = ("protoc-gen-go", "protoc-gen-go-grpc", "protoc-gen-es")
# https://protobuf.dev/reference/other/#plugins: a request on standard input, a response on standard output.
PLUGIN = f"""#!{sys.executable}
import sys
from pathlib import Path
from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
asked = CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
packages = {{each.name: each.options.go_package for each in asked.proto_file}}
answer = CodeGeneratorResponse()
for file in asked.file_to_generate:
    answer.file.add(name=f"{{file}}.{{Path(sys.argv[0]).name}}", content=packages[file])
sys.stdout.buffer.write(answer.SerializeToString())
"""


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """The folder with what each generator was told."""
    (tmp_path / "bin").mkdir()
    for name in GENERATORS:
        (tmp_path / "bin" / name).write_text(PLUGIN)
        (tmp_path / "bin" / name).chmod(0o755)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    command = [str(BUF), "generate", "--template", str(ROOT / "buf.gen.yaml"), "--output", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return tmp_path / "gen"


def test_go_finds_an_import_path_for_every_file_of_the_contract(told: Path) -> None:
    """Without one its generators stop: https://protobuf.dev/reference/go/go-generated/#package"""
    files = [file.relative_to(ROOT / "proto") for file in (ROOT / "proto").rglob("*.proto")]
    expected = {file: f"example.com/you/gen/go/{file.parent.as_posix()}" for file in files}
    for generator in ("protoc-gen-go", "protoc-gen-go-grpc"):
        packages = {file: (told / "go" / f"{file}.{generator}").read_text() for file in files}
        assert {file: package.partition(";")[0] for file, package in packages.items()} == expected
