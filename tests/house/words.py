"""Which names and marks may not stand in code?"""

import ast
import re
import sys
from collections.abc import Iterator

from tests.house.tree import Module, dotted

VAGUE = {"util", "utils", "helper", "helpers", "common", "misc", "base", "manager", "managers"}
MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
SILENCERS = re.compile(r"#\s*(type:\s*ignore|noqa)")
# A silencer that may stand names what it silences and then says why, on the same line, after a second `#` or a dash.
REASONED = re.compile(r"#\s*(type:\s*ignore\[[a-z-]+(, ?[a-z-]+)*\]|noqa: ?[A-Z0-9, ]+)\s+\S*[#(:-]\S*\s*\S{2,}")
BANNER = re.compile(r"#\s*[-=#*~_]{4,}")
SKIPS = {"skip", "skipif", "xfail", "importorskip"}
SENTENCE_WORDS = 3


def names_are_nouns_of_the_domain(module: Module) -> Iterator[str]:
    for part in (*module.path.parts[:-1], module.path.stem):
        if VAGUE & set(part.lower().split("_")):
            yield module.at(1, f"{part!r} names nothing")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef) and VAGUE & set(_words(node.name)):
            yield module.at(node.lineno, f"class {node.name} names nothing")


def no_module_hides_the_standard_library(module: Module) -> Iterator[str]:
    for part in (*module.path.parts[:-1], module.path.stem):
        if part in sys.stdlib_module_names and not part.startswith("__"):
            yield module.at(1, f"{part} is a module of the standard library")


def no_mark_is_left_behind(module: Module) -> Iterator[str]:
    for line, comment in module.comments():
        if MARKS.search(comment) or BANNER.match(comment):
            yield module.at(line, f"not here: {comment}")


def checks_are_not_silenced_without_a_reason(module: Module) -> Iterator[str]:
    """Tests hand in fakes that a type checker is right to doubt."""
    if not module.is_shipped:
        return
    for line, comment in module.comments():
        if SILENCERS.search(comment) and not REASONED.search(comment):
            yield module.at(line, f"silenced without a reason: {comment}")


def nothing_is_mocked(module: Module) -> Iterator[str]:
    for line, name in module.imports():
        if name.startswith("unittest.mock") or name.split(".")[0] in {"mock", "pytest_mock"}:
            yield module.at(line, f"{name}: assert what a person could see, on real things")


def no_test_is_skipped(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and node.attr in SKIPS and dotted(node).startswith("pytest."):
            yield module.at(node.lineno, f"{dotted(node)}: a test runs, or it is not there")


def tests_are_named_as_sentences(module: Module) -> Iterator[str]:
    if module.room != "tests":
        return
    for function in module.functions():
        if function.name.startswith("test_") and len(function.name.split("_")) <= SENTENCE_WORDS:
            yield module.at(function.lineno, f"{function.name} is no sentence")


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]+[a-z0-9]*|[a-z0-9]+", name)]
