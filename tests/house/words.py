"""Which names and marks may not stand in code?"""

import ast
import re
import sys
from collections.abc import Iterator

from kit.redaction import MASKED, SHOWN, SHOWN_ENDINGS
from tests.house.tree import Module, dotted

VAGUE = {"util", "utils", "helper", "helpers", "common", "misc", "base", "manager", "managers"}
MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
SILENCERS = re.compile(r"#\s*(type:\s*ignore|noqa)")
# A silencer that may stand names what it silences and then says why, on the same line, after a second `#` or a dash.
REASONED = re.compile(r"#\s*(type:\s*ignore\[[a-z-]+(, ?[a-z-]+)*\]|noqa: ?[A-Z0-9, ]+)\s+\S*[#(:-]\S*\s*\S{2,}")
BANNER = re.compile(r"#\s*[-=#*~_]{4,}")
SKIPS = {"skip", "skipif", "xfail", "importorskip"}
SENTENCE_WORDS = 3
LOGGED = {"debug", "info", "warning", "error", "say"}
EVENT = re.compile(r"[a-z_]+\.[a-z_]+$")
# Names of log fields that hold numbers, flags or an exception, which are shown under any name.
NUMBERS = {"asks", "attempt", "called", "count", "deliveries", "epoch", "exc_info", "failures", "listeners", "messages"}
NUMBERS |= {"more_than", "output_tokens", "part", "parts", "pid", "seconds", "segments", "size_bytes", "turns"}


def names_are_nouns_of_the_domain(module: Module) -> Iterator[str]:
    for part in (*module.path.parts[:-1], module.path.stem):
        if VAGUE & set(part.lower().split("_")):
            yield module.at(1, f"{part!r} names nothing")
    for node in module.nodes:
        if isinstance(node, ast.ClassDef) and VAGUE & set(_words(node.name)):
            yield module.at(node.lineno, f"class {node.name} names nothing")


def no_module_hides_the_standard_library(module: Module) -> Iterator[str]:
    for part in (*module.path.parts[:-1], module.path.stem):
        if part in sys.stdlib_module_names and not part.startswith("__"):
            yield module.at(1, f"{part} is a module of the standard library")


def no_mark_is_left_behind(module: Module) -> Iterator[str]:
    for line, comment in module.comments:
        if MARKS.search(comment) or BANNER.match(comment):
            yield module.at(line, f"not here: {comment}")


def checks_are_not_silenced_without_a_reason(module: Module) -> Iterator[str]:
    """Tests hand in fakes that a type checker is right to doubt."""
    if not module.is_shipped:
        return
    for line, comment in module.comments:
        if SILENCERS.search(comment) and not REASONED.search(comment):
            yield module.at(line, f"silenced without a reason: {comment}")


def nothing_is_mocked(module: Module) -> Iterator[str]:
    for line, name in module.imports():
        if name.startswith("unittest.mock") or name.split(".")[0] in {"mock", "pytest_mock"}:
            yield module.at(line, f"{name}: assert what a person could see, on real things")


def no_test_is_skipped(module: Module) -> Iterator[str]:
    for node in module.nodes:
        if isinstance(node, ast.Attribute) and node.attr in SKIPS and dotted(node).startswith("pytest."):
            yield module.at(node.lineno, f"{dotted(node)}: a test runs, or it is not there")


def tests_are_named_as_sentences(module: Module) -> Iterator[str]:
    if module.room != "tests":
        return
    for function in module.functions():
        if function.name.startswith("test_") and len(function.name.split("_")) <= SENTENCE_WORDS:
            yield module.at(function.lineno, f"{function.name} is no sentence")


def log_lines_show_what_they_name(module: Module) -> Iterator[str]:
    """A text under a name that is not on redaction's list is hidden, so whoever logs it must put the name there."""
    if not module.is_shipped:
        return
    for call in (node for node in module.nodes if isinstance(node, ast.Call) and _is_log_line(node)):
        for name in (keyword.arg for keyword in call.keywords if keyword.arg):
            if name not in SHOWN | MASKED | NUMBERS and not name.endswith(SHOWN_ENDINGS):
                yield module.at(call.lineno, f"{name} would be hidden: kit/redaction.py says what is shown")


def _is_log_line(call: ast.Call) -> bool:
    """Also one whose level was chosen before: any bare name that is called with an event."""
    called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    event = call.args[0] if call.args else None
    if not isinstance(event, ast.Constant) or not isinstance(event.value, str):
        return False
    chosen = isinstance(call.func, ast.Name) and called.islower() and EVENT.match(event.value)
    return bool(chosen) or (called in LOGGED and "." in event.value)


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]+[a-z0-9]*|[a-z0-9]+", name)]
