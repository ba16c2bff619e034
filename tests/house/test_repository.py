"""Does the repository around the code keep the rules: contract, targets, records, and no generated file gone stale?"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pool import Default

import hatch_build
from parley import _digest
from parley.contract.v1 import options_pb2
from parley.error.v1 import error_reason_pb2
from parley.storage.v1 import directory_requests_pb2
from scripts import generated
from scripts.test_tools import NODE_PROGRAMS
from tests.house.tree import PACKAGES, ROOT, SERVICES, modules

PROTOS = sorted((ROOT / "proto").rglob("*.proto"))
TARGETS, RECORD_LINES, README_LINES, PROTO_LINES = 12, 50, 40, 300
REGISTRIES = re.compile(r"(pypi\.o" + r"rg|pythonhosted\.o" + r"rg|registry\.npmjs\.|npmjs\.o" + r"rg|proxy\.golang\.)")


def test_stubs_are_those_of_the_contract() -> None:
    assert hatch_build.digest(ROOT) == _digest.DIGEST, "the stubs are older than proto/: make proto"


def test_a_changed_contract_changes_the_digest(tmp_path: Path) -> None:
    (tmp_path / "proto").mkdir()
    file = tmp_path / "proto" / "a.proto"
    file.write_text('syntax = "proto3";\n')
    before = hatch_build.digest(tmp_path)
    file.write_text('syntax = "proto3";\n\n')
    assert hatch_build.digest(tmp_path) != before


def test_generated_files_are_fresh() -> None:
    assert not generated.stale(), "run `make generate` and commit what it changes"


def test_contract_files_are_short() -> None:
    long = [file.name for file in PROTOS if len(file.read_text().splitlines()) > PROTO_LINES]
    assert not long


def test_every_rpc_says_who_may_call_it() -> None:
    open_to_nobody = [each.full_name for each in _rpcs() if not _scope(each)]
    assert not open_to_nobody


def test_every_service_of_the_contract_is_served_here_or_marked_as_a_plugin_that_others_serve() -> None:
    shipped = "".join(module.text for module in modules() if module.is_shipped)
    served = {each.full_name for each in _services() if f"add_{each.name}Servicer_to_server" in shipped}
    assert {each.full_name for each in _services() if not _is_plugin(each)} == served


def test_what_a_plugin_asks_for_is_nothing_that_a_credential_of_ours_opens() -> None:
    scopes: dict[bool, set[str]] = {True: set(), False: set()}
    for each in _rpcs():
        scopes[_is_plugin(each.containing_service)].add(_scope(each))
    assert scopes[True] & scopes[False] == set()


def test_the_tenant_is_field_one_of_every_request_that_has_one() -> None:
    requests = [each.input_type for each in _rpcs()]
    wrong = [each.full_name for each in requests if _number(each.fields_by_name.get("tenant_id")) not in {None, 1}]
    assert not wrong


def test_every_enum_begins_with_unspecified() -> None:
    enums = [enum for file in _files() for enum in file.enum_types_by_name.values()]
    assert [enum.full_name for enum in enums if not enum.values_by_number[0].name.endswith("_UNSPECIFIED")] == []


def test_every_reason_names_its_grpc_status() -> None:
    text = (ROOT / "proto/parley/error/v1/error_reason.proto").read_text()
    reasons = error_reason_pb2.ErrorReason.keys()[1:]
    undocumented = [
        name for name in reasons if not re.search(rf"\. [A-Z_]+( with RetryInfo|, HTTP \d+)?\.\n  {name} =", text)
    ]
    assert not undocumented


def test_make_has_few_targets_and_explains_each() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE)
    explained = re.findall(r"^([a-z][a-z-]*):.*## \S", makefile, re.MULTILINE)
    assert targets == explained
    assert len(targets) <= TARGETS


@pytest.mark.parametrize("record", sorted((ROOT / "docs/decisions").glob("*")), ids=lambda path: path.name)
def test_decision_records_are_short_and_complete(record: Path) -> None:
    assert re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", record.name)
    text = record.read_text()
    assert len(text.splitlines()) <= RECORD_LINES
    assert [each for each in ("Context", "Decision", "Consequences", "Alternatives") if f"## {each}" not in text] == []


def test_every_library_that_is_imported_is_declared() -> None:
    brings = metadata.packages_distributions()
    imported = {name.split(".")[0] for module in modules() if module.is_shipped for _line, name in module.imports()}
    foreign = imported - sys.stdlib_module_names - {*PACKAGES, "parley", "google"}
    declared = {_plain(name) for name in _dependencies()}
    assert {name for name in foreign if not {_plain(each) for each in brings[name]} & declared} == set()


def test_every_dependency_has_its_reason_on_record() -> None:
    record = (ROOT / "docs/decisions/0002-dependencies.md").read_text()
    names = [*_dependencies("dev"), *_node_dependencies()]
    assert [name for name in names if not re.search(rf"(?<![\w-]){name}(?![\w-])", record)] == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_its_rooms_and_a_short_readme(service: str) -> None:
    folder = ROOT / service
    rooms = ("__init__.py", "__main__.py", "settings.py", "domain", "backends", "README.md")
    assert [room for room in rooms if not (folder / room).exists()] == []
    assert len((folder / "README.md").read_text().splitlines()) <= README_LINES


def test_no_file_names_a_package_registry() -> None:
    named = [f"{file}:{number}" for file, number, line in _tracked_lines() if REGISTRIES.search(line)]
    assert not named


def test_the_lock_pins_every_package_by_hash() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pins = re.findall(r"^(\S+)==\S+.*\\\n    --hash=sha256:[0-9a-f]{64}", lock, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^[a-z0-9]", lock, re.MULTILINE)) > 50
    assert not re.search(r"^--|/work/|/home/|/tmp/|https?://", lock, re.MULTILINE)


def _dependencies(*groups: str) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"]]
    wanted += [each for group in groups for each in project["dependency-groups"][group]]
    return [re.split(r"[<>=; ]", each)[0] for each in wanted]


def _node_dependencies() -> Iterator[str]:
    for folder in NODE_PROGRAMS:
        package = json.loads((folder / "package.json").read_text())
        yield from [*package["dependencies"], *package.get("devDependencies", ())]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _files() -> list[FileDescriptor]:
    assert directory_requests_pb2.DESCRIPTOR
    names = [file.relative_to(ROOT / "proto").as_posix() for file in PROTOS]
    for name in names:
        __import__(name.removesuffix(".proto").replace("/", ".") + "_pb2")
    return [Default().FindFileByName(name) for name in names]


def _services() -> list[ServiceDescriptor]:
    return [service for file in _files() for service in file.services_by_name.values()]


def _rpcs() -> list[MethodDescriptor]:
    return [method for service in _services() for method in service.methods]


def _is_plugin(service: ServiceDescriptor) -> bool:
    plugin: Any = options_pb2.plugin
    marked: bool = service.GetOptions().Extensions[plugin]
    return marked


def _scope(method: MethodDescriptor) -> str:
    access: Any = options_pb2.access
    scope: str = method.GetOptions().Extensions[access].scope
    return scope


def _number(field: object) -> int | None:
    return getattr(field, "number", None)


def _tracked_lines() -> Iterator[tuple[str, int, str]]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False).stdout
    for name in listed.decode().split("\0"):
        file = ROOT / name
        if name and file.is_file() and file.suffix not in {".png", ".ico", ".woff2"}:
            lines = file.read_text(errors="replace").splitlines()
            yield from ((name, number, line) for number, line in enumerate(lines, 1))
