"""Is every sentence that the agent says by itself there in every language, and may an operator change it?"""

from pathlib import Path

import pytest

from agent_service.backends.texts_file import read
from agent_service.domain.draft import Draft
from agent_service.domain.texts import LANGUAGES, TEXTS, Texts, placeholders, spoken
from agent_service.domain.turn import Rules
from kit.settings import SettingsError
from tests.unit.agent.telling import a_turn, told

OWN = """
[handed_off]
en = "Ana will be with you in a minute."

[unknown_command]
es = "¿{command}? No."
"""


@pytest.mark.parametrize("name", TEXTS)
def test_a_sentence_is_complete_in_every_language_with_the_same_placeholders(name: str) -> None:
    wordings = TEXTS[name]

    assert set(wordings) == set(LANGUAGES)
    assert all(text.strip() for text in wordings.values())
    assert len({tuple(sorted(placeholders(text))) for text in wordings.values()}) == 1


@pytest.mark.parametrize(
    ("code", "language"), [("pt-BR", "pt"), ("ES", "es"), ("", "en"), ("fr", "en"), ("en-GB", "en")]
)
def test_a_language_that_is_not_written_is_answered_in_english(code: str, language: str) -> None:
    assert spoken(code) == language
    assert Draft(a_turn(language={"code": code})).say("reset") == TEXTS["reset"][language]


async def test_an_operators_sentence_takes_the_place_of_ours_and_the_others_stay(tmp_path: Path) -> None:
    (tmp_path / "texts.toml").write_text(OWN)
    texts = read(str(tmp_path / "texts.toml"))

    ending = await told(a_turn("/human"), rules=Rules(25.0, 512, "sorry", texts=texts))

    assert ending.replies == ("Ana will be with you in a minute.",)
    assert texts.say("handed_off", "es") == TEXTS["handed_off"]["es"]
    assert texts.say("unknown_command", "es", command="/x", commands="/y") == "¿/x? No."
    assert read("") == Texts()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[handed_of]\nen = "x"', "handed_of is none of: handed_off"),
        ('handed_off = "x"', "handed_off is none of"),
        ('[handed_off]\nfr = "x"', "handed_off.fr: the languages are en, es, pt"),
        ('[handed_off]\nen = " "', "handed_off.en must be a text"),
        ("[handed_off]\nen = 7", "handed_off.en must be a text"),
        ('[handed_off]\nen = "Hi {name}"', "handed_off.en asks for a value that there is not; there are: none"),
        ('[model_set]\nen = "{models}"', "there are: {model}"),
        ('[model_set]\nen = "{model:d}"', "model_set.en asks for a value that there is not"),
        ('[model_set]\nen = "{model!z}"', "model_set.en asks for a value that there is not"),
        ('[handed_off]\nen = "{"', "handed_off.en has a single brace"),
        (f'[handed_off]\nen = "{"x" * 4097}"', "handed_off.en has more than 4096 characters"),
        ('[handed_off]\nen = "\\u0000"', "or a NUL"),
        ("[handed_off", "Expected"),
    ],
)
def test_a_file_that_is_wrong_stops_the_start_with_one_line(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "texts.toml").write_text(content)

    with pytest.raises(SettingsError) as stopped:
        read(str(tmp_path / "texts.toml"))

    assert str(stopped.value).startswith(f"AGENT_TEXTS_FILE: {tmp_path / 'texts.toml'}: ")
    assert said in str(stopped.value)
    assert "\n" not in str(stopped.value)


def test_a_sentence_with_braces_is_known_again_as_it_was_said(tmp_path: Path) -> None:
    (tmp_path / "texts.toml").write_text('[refused]\nen = "{{No.}}"')
    texts = read(str(tmp_path / "texts.toml"))

    assert texts.say("refused", "en") == "{No.}"
    assert "{No.}" in texts.every("refused")


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        read(str(tmp_path / "none.toml"))
