"""Does the code keep the rules of the house, and would each rule notice when it did not?"""

from collections.abc import Callable, Iterator

import pytest

from tests.house import rooms, shape, words
from tests.house.tree import Module, modules, parse

Rule = Callable[[Module], Iterator[str]]

DOCSTRING = '"""Which question?"""\n'
LONG_BODY = "\n".join(f"    x{n} = {n}" for n in range(40))
MARK = "TO" + "DO"  # written so that this file keeps the rule itself

# rule -> a file that breaks it
BROKEN_BY: dict[Rule, tuple[str, str]] = {
    rooms.imports_point_one_way: ("agent_service/domain/turn.py", "from channels import registry"),
    rooms.rooms_of_a_service_point_inwards: ("llm_service/domain/x.py", "from llm_service.backends import ollama"),
    rooms.domain_does_no_io: ("sender_service/domain/x.py", "import socket"),
    rooms.libraries_stay_in_their_room: ("storage_service/domain/x.py", "from sqlmodel import Session"),
    rooms.only_kit_builds_servers_and_channels: ("gateway/x.py", "c = grpc.aio.insecure_channel('a')"),
    rooms.only_settings_read_the_environment: ("gateway/x.py", "import os\nx = os.environ['A']"),
    shape.files_are_short: ("kit/x.py", "x = 1\n" * 301),
    shape.functions_are_short: ("bench/x.py", f"def f() -> None:\n{LONG_BODY}"),
    shape.parameters_are_few: ("kit/x.py", "def f(a: int, b: int, c: int) -> None: ..."),
    shape.modules_say_which_question_they_answer: ("kit/x.py", "x = 1"),
    shape.everything_is_annotated: ("kit/x.py", "def f(a) -> None: ..."),
    shape.no_abstract_classes: ("kit/x.py", "from abc import ABC"),
    words.names_are_nouns_of_the_domain: ("kit/turn_helpers.py", ""),
    words.no_module_hides_the_standard_library: ("kit/queue.py", ""),
    words.no_mark_is_left_behind: ("kit/x.py", f"x = 1  # {MARK}: later"),
    words.checks_are_not_silenced_without_a_reason: ("kit/x.py", "x = 1  # " + "noqa"),
    words.nothing_is_mocked: ("tests/unit/test_x.py", "from unittest.mock import Mock"),
    words.no_test_is_skipped: ("tests/unit/test_x.py", "@pytest.mark.skip\ndef test_a() -> None: ..."),
    words.log_lines_show_what_they_name: ("gateway/x.py", "log.info('a.b', whatever=text)"),
    words.tests_are_named_as_sentences: ("tests/unit/test_x.py", "def test_accept() -> None: ..."),
}


def _name(rule: Rule) -> str:
    return rule.__name__


@pytest.mark.parametrize("rule", BROKEN_BY, ids=_name)
def test_the_code_keeps_the_rule(rule: Rule) -> None:
    complaints = [complaint for module in modules() for complaint in rule(module)]
    assert not complaints, "\n" + "\n".join(complaints)


@pytest.mark.parametrize("rule", BROKEN_BY, ids=_name)
def test_the_rule_notices_what_it_forbids(rule: Rule) -> None:
    path, text = BROKEN_BY[rule]
    assert list(rule(parse(path, text)))


def test_a_log_line_whose_level_was_chosen_before_is_one_too() -> None:
    chosen = "level = log.info if is_well else log.warning\nlevel('a.b', whatever=text)"
    assert list(words.log_lines_show_what_they_name(parse("gateway/x.py", chosen)))


@pytest.mark.parametrize("rule", BROKEN_BY, ids=_name)
def test_the_rule_leaves_good_code_alone(rule: Rule) -> None:
    good = DOCSTRING + "\n\nasync def accept(tenant_id: str, text: str, *, now: int) -> None:\n    return None\n"
    assert not list(rule(parse("agent_service/domain/turns.py", good)))


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("def f(self, a: int, b: int) -> None: ...", 0),
        ("def f(_logger: int, _method: int, event: int) -> None: ...", 0),
        ("def f(a: int, b: int, *, c: int, d: int, e: int, g: int) -> None: ...", 0),
        ("def f(a: int, b: int, *, c: int, d: int, e: int, g: int, h: int) -> None: ...", 1),
        ("def __exit__(self, a: int, b: int, c: int) -> None: ...", 0),
        ("def __init__(self, a: int, b: int, c: int) -> None: ...", 1),
    ],
)
def test_parameters_are_counted_as_a_reader_counts_them(text: str, bad: int) -> None:
    assert len(list(shape.parameters_are_few(parse("kit/x.py", text)))) == bad


@pytest.mark.parametrize(
    ("path", "text", "bad"),
    [
        ("gateway/x.py", "import httpx", 1),
        ("kit/command/send.py", "import httpx", 0),
        ("sender_service/backends/x.py", "import httpx", 0),
        ("gateway/x.py", "from twilio.request_validator import RequestValidator", 1),
        ("gateway/x.py", "import storage_service.domain", 1),
        ("kit/x.py", "from channels import registry", 1),
        ("sender_service/x.py", "from channels import registry", 0),
        ("gateway/x.py", "from os import environ", 1),
        ("gateway/settings.py", "from os import environ", 0),
        ("bench/x.py", "import asyncpg", 0),
        ("sandbox/server.py", "from aiohttp import web", 0),
        ("sandbox/providers/x.py", "import aiohttp", 1),
        ("sandbox/x.py", "from gateway import server", 1),
        ("kit/command/x.py", "from sandbox import opening", 1),
    ],
)
def test_rooms_know_their_own(path: str, text: str, bad: int) -> None:
    module = parse(path, text)
    rules: tuple[Rule, ...] = (
        rooms.imports_point_one_way,
        rooms.libraries_stay_in_their_room,
        rooms.only_settings_read_the_environment,
    )
    assert sum(len(list(rule(module))) for rule in rules) == bad
