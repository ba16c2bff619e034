"""Is every sentence that the agent says by itself there in every language, and does it ask for the same values?"""

from string import Formatter

import pytest

from agent_service.domain.texts import LANGUAGES, TEXTS, say, spoken


@pytest.mark.parametrize("name", TEXTS)
def test_a_sentence_is_complete_in_every_language_with_the_same_placeholders(name: str) -> None:
    wordings = TEXTS[name]
    placeholders = {
        code: sorted(field for _, field, _, _ in Formatter().parse(text) if field) for code, text in wordings.items()
    }

    assert set(wordings) == set(LANGUAGES)
    assert all(text.strip() for text in wordings.values())
    assert len({tuple(fields) for fields in placeholders.values()}) == 1


@pytest.mark.parametrize(
    ("code", "language"), [("pt-BR", "pt"), ("ES", "es"), ("", "en"), ("fr", "en"), ("en-GB", "en")]
)
def test_a_language_that_is_not_written_is_answered_in_english(code: str, language: str) -> None:
    assert spoken(code) == language
    assert say("reset", code) == TEXTS["reset"][language]
