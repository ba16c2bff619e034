"""What does `--option NAME=VALUE` make of an account's options?"""

import json
import re
from pathlib import Path

import pytest

from channels.options import OPTIONS
from channels.registry import CHANNELS
from kit.command.option_words import changed, listing
from kit.command.screen import Mistake

STORED = {"template": "HX1", "of_another_version": "1"}


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ([], STORED),
        (["template=HX2"], {**STORED, "template": "HX2"}),
        (["template="], {"of_another_version": "1"}),
        (["of_another_version="], {"template": "HX1"}),
        (["template_variable=a=b"], {**STORED, "template_variable": "a=b"}),
    ],
)
def test_what_is_not_named_stays_and_what_is_empty_goes(words: list[str], options: dict[str, str]) -> None:
    assert changed("whatsapp", STORED, words=words) == options


@pytest.mark.parametrize(
    ("word", "fix"),
    [
        ("silent_after_hour=2", "did you mean silent_after_hours?"),
        ("nonsense=1", "parley channels options telegram"),
        ("graph_version=v1.0", "parley channels options telegram"),
        ("template", "--option template=VALUE"),
    ],
)
def test_what_a_channel_has_not_is_refused_with_what_was_meant(word: str, fix: str) -> None:
    with pytest.raises(Mistake) as mistake:
        changed("telegram", {}, words=[word])
    assert fix in mistake.value.fix


def test_the_options_of_a_channel_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    listing("whatsapp", as_json=True)
    names = [each["name"] for each in json.loads(capsys.readouterr().out)["options"]]
    assert names[:2] == ["outside_window", "template"]
    assert "graph_version" not in names
    with pytest.raises(Mistake, match="no channel 'fax'"):
        listing("fax", as_json=False)


def test_an_option_names_channels_that_there_are() -> None:
    assert {name for each in OPTIONS for name in each.channels} <= set(CHANNELS)


def test_every_option_that_the_code_reads_can_be_set_and_is_described() -> None:
    root = Path(__file__).resolve().parents[3]
    rooms = ("channels", "gateway", "sender_service", "storage_service")
    texts = [path.read_text() for room in rooms for path in (root / room).rglob("*.py")]
    read = {name for text in texts for name in re.findall(r'options(?:\.get\(|\[)"([a-z_]+)"', text)}
    assert len(read) > 10
    assert read - {each.name for each in OPTIONS} == set()
