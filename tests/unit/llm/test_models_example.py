"""Is the example of models.toml one that the service takes, and does the page show that very one?"""

import tomllib

from llm_service.domain.catalogue import Entry, Server, read
from tests.house.tree import ROOT

EXAMPLE = ROOT / "models.example.toml"


def test_the_example_is_a_catalogue_that_hangs_together() -> None:
    catalogue = read(EXAMPLE.read_text(), file=EXAMPLE.name)
    assert catalogue.default in catalogue.models
    assert {server.kind for server in catalogue.backends.values()} == {"ollama", "openai", "responses"}


def test_the_example_shows_nearly_every_key() -> None:
    text = EXAMPLE.read_text()
    written = tomllib.loads(text)
    shown = {key for tables in (written["backends"], written["models"]) for each in tables.values() for key in each}
    assert {*Server.model_fields, *Entry.model_fields} - shown == {"api_key_file"}
    assert "# api_key_file" in text


def test_every_key_has_its_words_for_the_page() -> None:
    fields = {**Server.model_fields, **Entry.model_fields}
    assert [name for name, field in fields.items() if not field.description] == []


def test_the_page_shows_the_example() -> None:
    assert EXAMPLE.read_text() in (ROOT / "docs/models.md").read_text()
