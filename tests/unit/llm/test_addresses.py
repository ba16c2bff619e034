"""Is a URL one at which a model server can be?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from kit import settings as kit_settings
from llm_service.domain.addresses import Url
from llm_service.settings import Settings

GOOD = ["http://127.0.0.1:11434", "https://api.openai.com/v1", "http://[::1]:80/", "http://gpu", "https://h/a?v=1"]
BAD = [
    *("localhost:11434", "ftp://h", "http://", "http:///v1", "http://h:port", "http://h:65536", "http://h:0"),
    *(
        "http://[::1",
        "http://:80",
        "http://h/a b",
        "http://h\nb",
        "http://h\0",
        "http://user:hunter2@h",
        "http://hunter2@h",
    ),
]


@pytest.mark.parametrize("url", GOOD)
def test_a_url_with_a_host_stays_as_it_is(url: str) -> None:
    assert TypeAdapter(Url).validate_python(url) == url


@pytest.mark.parametrize("url", BAD)
@pytest.mark.parametrize("name", ["OLLAMA_BASE_URL", "OPENAI_BASE_URL"])
def test_another_one_stops_the_start_with_a_line_that_does_not_repeat_it(url: str, name: str) -> None:
    with pytest.raises(kit_settings.SettingsError) as raised:
        kit_settings.load(Settings, environ={name: url})

    assert str(raised.value).startswith(f"{name} (environment): ")
    assert "hunter2" not in str(raised.value)


@given(st.text(max_size=30))
def test_whatever_stands_behind_the_scheme_is_taken_or_refused_and_nothing_else(rest: str) -> None:
    try:
        assert TypeAdapter(Url).validate_python(f"http://{rest}") == f"http://{rest}"
    except ValidationError:
        return
