"""Do both detectors of languages keep the same promises? lingua is not in .venv: scripts/test_tools.py brings it."""

from pathlib import Path

import pytest

from agent_service.backends.lingua_detector import Lingua
from agent_service.domain.languages import NAMES, UNKNOWN, Builtin, Detector, follow, guess
from kit.settings import SettingsError
from parley.storage.v1.conversation_change_pb2 import Language
from tests.unit.agent.language_samples import CONVERSATIONS, EMPTY, SAMPLES, SWITCHES

PACKAGE = Path(__file__).resolve().parents[3] / ".venv/lingua"
MISSING = "*** lingua is missing: run scripts/test_tools.py, which installs tests/suites/agent/lingua.lock (94 MB) ***"
RIGHT = {"builtin": 0.90, "lingua": 0.95}


@pytest.fixture(params=RIGHT)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def detector(name: str, monkeypatch: pytest.MonkeyPatch) -> Detector:
    if name == "builtin":
        return Builtin()
    assert PACKAGE.is_dir(), MISSING
    monkeypatch.syspath_prepend(PACKAGE)
    return Lingua()


def test_short_messages_are_told_apart(name: str, detector: Detector) -> None:
    wrong = [text for text, code in SAMPLES if guess(text, detector).code != code]

    assert 1 - len(wrong) / len(SAMPLES) >= RIGHT[name], wrong


def test_what_says_nothing_is_unknown(detector: Detector) -> None:
    assert [text for text in EMPTY if guess(text, detector) != UNKNOWN] == []


def test_no_conversation_switches_wrongly(detector: Detector) -> None:
    wrong = []
    for code, texts in CONVERSATIONS:
        known = Language()
        for text in texts.strip().splitlines():
            known = follow(known, [text], detector=detector) or known
            wrong += [text] if known.code not in {"", code} else []

    assert wrong == []


def test_who_changes_is_followed_within_two_messages(detector: Detector) -> None:
    ends = [
        (follow(Language(code=before, confidence=0.9), texts.splitlines(), detector=detector), after)
        for before, after, texts in SWITCHES
    ]

    assert [found.code if found else "" for found, _ in ends] == [after for _, after in ends]


def test_every_language_that_can_be_found_has_a_name(detector: Detector) -> None:
    assert set(detector.codes()) <= set(NAMES)


def test_without_the_package_the_start_ends_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_service.backends.lingua_detector.import_module", _not_there)

    with pytest.raises(SettingsError, match=r"^AGENT_LANGUAGES=lingua needs .*pip install 'parley\[lingua\]'$"):
        Lingua()


def _not_there(name: str) -> None:
    raise ModuleNotFoundError(name)
