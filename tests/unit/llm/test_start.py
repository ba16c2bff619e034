"""What does a process say that starts with a wrong models.toml?"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def started(folder: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    """`python -m llm_service`, until it ends by itself."""
    world = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'gen/python'}", "LLM_ADDRESS": "127.0.0.1:0", **environ}
    command = [sys.executable, "-m", "llm_service"]
    return subprocess.run(command, cwd=folder, env=world, text=True, capture_output=True, timeout=60, check=False)


def test_a_named_file_that_is_not_there_stops_the_start_with_one_line(tmp_path: Path) -> None:
    ended = started(tmp_path, MODELS_FILE="none.toml")

    assert ended.stderr == "parley llm: MODELS_FILE: there is no file none.toml\n"
    assert (ended.stdout, ended.returncode) == ("", 2)


@pytest.mark.parametrize("name", ["OLLAMA_BASE_URL", "OPENAI_BASE_URL"])
def test_an_address_that_no_connection_can_be_made_to_stops_the_start_with_one_line(tmp_path: Path, name: str) -> None:
    ended = started(tmp_path, **{name: "http://gpu\u2010box:8000/v1"})

    assert (ended.stderr, ended.returncode) == (f"parley llm: {name}: its host or its port is none\n", 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[backends.a]\nkind = "olama"', "backends.a.kind: Input should be 'ollama', 'openai', 'responses' or 'echo'"),
        ('[backends.a]\nkind = "openai"\nbase_url = "http://h:x"', "backends.a.base_url: its host or its port is none"),
        (
            '[backends.a]\nkind = "openai"\nbase_url = "http://gpu\u2010box/v1"',
            "backends.a.base_url: its host or its port is none",
        ),
    ],
)
def test_a_wrong_file_stops_the_start_with_one_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "models.toml").write_text(text, encoding="utf-8")

    ended = started(tmp_path)

    assert (ended.stderr, ended.returncode) == (f"parley llm: models.toml: {said}\n", 2)
