"""What does models.toml say, and what is said of it when it is wrong?"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_service.domain.catalogue import Catalogue, CatalogueError, read

FULL = """
default = "fast"

[backends.here]
kind = "ollama"
base_url = "http://gpu:11434"
concurrency = 4
queue = 2

[backends.cloud]
kind = "openai"
api_key_file = "/run/secrets/cloud"
offers_all = false

[backends.kept]
kind = "responses"
base_url = "https://api.example/v1"

[models.fast]
backend = "cloud"
name = "gpt-x-mini"
window_tokens = 128000
max_output_tokens = 1000
timeout_seconds = 20
silence_seconds = 5
slow_seconds = 10
input_price = 0.15
output_price = 0.6
fallbacks = ["here-model", "echo"]

[models.here-model]
backend = "here"
keep_alive = "30m"

[models.asked]
backend = "kept"
prompt_id = "pmpt_1"
prompt_version = "3"
"""

A_ECHO = '[backends.a]\nkind = "echo"\n'
A_OPENAI = '[backends.a]\nkind = "openai"\n'
ECHO = '[backends.e]\nkind = "echo"\noffers_all = false\n'

MODEL = f'{ECHO}[models.a]\nbackend = "e"\n'

# what is wrong -> the line that is said of it
WRONG = {
    'defualt = "a"': "defualt is not a key; did you mean default?",
    '[backend.a]\nkind = "echo"': "backend is not a key; did you mean backends?",
    A_ECHO + "concurency = 1": "backends.a.concurency is not a key; did you mean concurrency?",
    MODEL + "fallback = []": "models.a.fallback is not a key; did you mean fallbacks?",
    A_ECHO + "zzz = 1": "backends.a.zzz is not a key",
    '[backends.a]\nkind = "openia"': "backends.a.kind: Input should be 'ollama', 'openai', 'responses' or 'echo'",
    '[backends.a]\nbase_url = "http://h"': "backends.a.kind: Field required",
    A_ECHO + 'concurrency = "many"': "backends.a.concurrency: Input should be a valid integer, unable to parse"
    " string as an integer",
    A_ECHO + "concurrency = 0": "backends.a.concurrency: Input should be greater than or equal to 1",
    '[backends.a]\nkind = "ollama"': "backends.a.base_url: is required for the kind ollama",
    A_OPENAI + 'base_url = "gpu:80"': "backends.a.base_url: should be http:// or https:// and a host, without a user",
    A_OPENAI + 'base_url = "http://gpu:port"': "backends.a.base_url: its host or its port is none",
    A_ECHO + 'api_key_file = "/k"': "backends.a.api_key_file: the kind echo takes no key",
    '[backends."A B"]\nkind = "echo"': "backends.A B.[key]: String should match pattern '^[a-z0-9][a-z0-9_-]{0,31}$'",
    ECHO + '[models.a]\nbackend = "ee"': "models.a.backend: there is no backend 'ee'; did you mean 'e'?",
    ECHO + '[models.a]\nbackend = "unlike"': "models.a.backend: there is no backend 'unlike'",
    MODEL + 'fallbacks = ["a"]': "models.a.fallbacks: a model cannot stand in for itself",
    ECHO + '[models.mini]\nbackend = "e"\nfallbacks = ["minni"]': "models.mini.fallbacks: there is no model 'minni';"
    " did you mean 'mini'?",
    MODEL + 'prompt_id = "p"': "models.a.prompt_id: only a backend of the kind responses has prompts",
    ECHO
    + '[models.a]\nbackend = "e"\nkeep_alive = "5m"': "models.a.keep_alive: only a backend of the kind ollama has it",
    MODEL + "input_price = -1": "models.a.input_price: Input should be greater than or equal to 0",
    MODEL + "input_price = nan": "models.a.input_price: Input should be less than or equal to 1000000",
    MODEL + "timeout_seconds = 0": "models.a.timeout_seconds: Input should be greater than 0",
    'default = "fsat"\n' + ECHO + '[models.fast]\nbackend = "e"': "default: there is no model 'fsat'; did you mean"
    " 'fast'?",
    ECHO
    + '[models.gpt-4.1]\nbackend = "e"': "models.gpt-4.1: a name with other than letters, digits, _ and - stands in"
    " quotes",
    ECHO
    + '[models.qwen3:8b]\nbackend = "e"': "models.qwen3:8b: a name with other than letters, digits, _ and - stands in"
    " quotes",
    MODEL + "window_tokens = 128": "models.a.window_tokens: should be 0, or 256 tokens at least",
    "models = [1]": "models: Input should be a valid dictionary",
    "default = 1\nextra = 2": "extra is not a key (and 1 more)",
    'default = "a': "not TOML: Unterminated string (at end of document)",
    "a = " + "9" * 5000: "not TOML: Exceeds the limit (4300 digits) for integer string conversion: value has 5000"
    " digits; use sys.set_int_max_str_digits() to increase the limit",
    '"two\\nlines" = 1': "two lines is not a key",
}


@pytest.mark.parametrize(("text", "said"), WRONG.items(), ids=[said[:60] for said in WRONG.values()])
def test_a_wrong_file_is_one_line_that_names_the_key_and_what_is_right(text: str, said: str) -> None:
    with pytest.raises(CatalogueError) as raised:
        read(text, file="models.toml")

    assert str(raised.value) == f"models.toml: {said}"


def test_a_full_file_is_read_as_it_says() -> None:
    found = read(FULL, file="models.toml")
    fast = found.model("fast", silence_seconds=15, window_tokens=4096)
    here = found.model("here-model", silence_seconds=15, window_tokens=4096)
    asked = found.model("asked", silence_seconds=15, window_tokens=4096)

    assert found.default == "fast"
    assert {name: server.kind for name, server in found.backends.items()} == {
        "here": "ollama",
        "cloud": "openai",
        "kept": "responses",
    }
    assert (found.backends["here"].concurrency, found.backends["here"].queue) == (4, 2)
    assert (found.backends["cloud"].api_key_file, found.backends["cloud"].offers_all) == (
        Path("/run/secrets/cloud"),
        False,
    )
    assert (fast.called, fast.backend, fast.window_tokens, fast.max_output_tokens) == (
        "gpt-x-mini",
        "cloud",
        128_000,
        1000,
    )
    assert (fast.timeout_seconds, fast.silence_seconds, fast.slow_seconds) == (20, 5, 10)
    assert fast.fallbacks == ("here-model", "echo")
    assert (here.called, here.keep_alive, here.window_tokens, here.silence_seconds) == ("here-model", "30m", 4096, 15)
    assert (asked.prompt_id, asked.prompt_version) == ("pmpt_1", "3")


def test_prices_are_said_per_million_tokens_and_kept_in_millionths() -> None:
    fast = read(FULL, file="models.toml").model("fast", silence_seconds=15, window_tokens=4096)

    assert (fast.input_price_micros, fast.output_price_micros) == (150_000, 600_000)


@given(st.floats(min_value=0, max_value=1_000_000))
def test_any_price_is_kept_to_the_millionth(price: float) -> None:
    said = f'{ECHO}[models.a]\nbackend = "e"\noutput_price = {price!r}'
    model = read(said, file="models.toml").model("a", silence_seconds=15, window_tokens=4096)

    assert abs(model.output_price_micros - price * 1_000_000) <= 0.5


def test_what_a_server_may_yet_offer_is_not_called_unknown() -> None:
    found = read(FULL.replace('"here-model", "echo"', '"pulled:later"').replace('"fast"\n', '"x"\n', 1), file="m")

    assert (found.default, found.models["fast"].fallbacks) == ("x", ("pulled:later",))


def test_echo_may_stand_in_and_be_the_default_without_being_written_down() -> None:
    text = 'default = "echo"\n' + ECHO + '[models.a]\nbackend = "e"\nfallbacks = ["echo"]'

    assert read(text, file="m").default == "echo"


def test_an_empty_file_is_a_catalogue_of_nothing() -> None:
    assert read("", file="models.toml") == Catalogue()


def test_a_file_nested_without_end_is_refused_like_any_other() -> None:
    with pytest.raises(CatalogueError, match="not TOML"):
        read("a = " + "[" * 5000, file="models.toml")


@pytest.mark.parametrize(
    "text",
    [
        '[backends.a]\nkind = "sk-secret"',
        '[backends.a]\nkind = "openai"\napi_key = "sk-secret"',
        '[backends.a]\nkind = "openai"\nbase_url = "http://user:sk-secret@host"',
        '[backends.a]\nkind = "openai"\nconcurrency = "sk-secret"',
        '[backends.a]\nkind = "openai"\napi_key_file = ["sk-secret"]',
        ECHO + '[models.a]\nbackend = "sk-secret!"',
        ECHO + '[models.a]\nbackend = "e"\nkeep_alive = "sk-secret"',
        'api_key = "sk-secret',
    ],
)
def test_what_is_said_of_a_wrong_file_never_repeats_a_value(text: str) -> None:
    with pytest.raises(CatalogueError) as raised:
        read(text, file="models.toml")

    assert "sk-secret" not in str(raised.value)


@given(st.text(max_size=60))
def test_any_text_is_a_catalogue_or_one_line(text: str) -> None:
    assert len(said_of(text).splitlines()) == 1


def said_of(text: str) -> str:
    try:
        read(text, file="models.toml")
    except CatalogueError as error:
        return str(error)
    return "good"
