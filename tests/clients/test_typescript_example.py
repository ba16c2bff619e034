"""Does examples/typescript do what its page says: stream an answer, or say why there is none and when to come again?"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.mesh.world import World
from tests.running import ROOT, Mesh, running_mesh
from tests.stalls import PATIENCE_SECONDS

EXAMPLE = ROOT / "examples/typescript"
PAUSE_SECONDS = 4


@dataclass(frozen=True)
class Example:
    """The program as a person runs it, a mesh, and the model server that the mesh asks."""

    node: str
    mesh: Mesh
    world: World
    key: str

    def starts(self, *words: str, key: str | None = None, deadline: float | str = 40) -> "subprocess.Popen[str]":
        settings = {
            "LLM_ADDRESS": self.mesh.environment["LLM_ADDRESS"],
            "PARLEY_KEY": self.key if key is None else key,
            "DEADLINE_SECONDS": str(deadline),
        }
        return subprocess.Popen(
            [self.node, EXAMPLE / "dist/ask.js", *words],
            env={"PATH": os.environ["PATH"]} | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ends(
        self, *words: str, key: str | None = None, deadline: float | str = 40
    ) -> "subprocess.CompletedProcess[str]":
        process = self.starts(*words, key=key, deadline=deadline)
        said, told = process.communicate(timeout=PATIENCE_SECONDS)
        return subprocess.CompletedProcess(process.args, process.returncode, said, told)

    def times_out(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """By the service's word, which a machine that stands still may bring after the deadline: a second look."""
        done = self.ends(*words, deadline=1)
        return self.ends(*words, deadline=4) if "(gRPC itself)" in done.stderr else done

    def model_server_is(self, mode: str) -> None:
        self.world.run(self.world.ollama.switch(mode))


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    node, npm = shutil.which("node"), shutil.which("npm")
    assert node, "Node is missing (Debian, Ubuntu: apt-get install nodejs npm), see scripts/test_tools.py"
    assert npm, "npm is missing (Debian, Ubuntu: apt-get install npm), see scripts/test_tools.py"
    built = subprocess.run([npm, "run", "build"], cwd=EXAMPLE, capture_output=True, text=True, timeout=100, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    settings = {"DEFAULT_MODEL": "llama3.2:latest", "LLM_BREAKER_SECONDS": str(PAUSE_SECONDS)}
    with World() as world:
        settings["OLLAMA_BASE_URL"] = world.ollama.base_url
        with running_mesh(tmp_path_factory.mktemp("mesh"), **settings) as mesh:
            key = mesh.command("keys", "create", "laptop", "--scope", "llm.use").strip()
            yield Example(node, mesh, world, key)


def test_the_answer_is_streamed_and_says_who_gave_it(example: Example) -> None:
    example.model_server_is("ok")
    done = example.ends("why", "is the sky", "blue?")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "re: why is the sky blue?\n"
    assert re.search(r"llama3\.2:latest at ollama: 5 tokens read, 6 written, first text after \d\.\d\d s", done.stderr)


def test_a_model_server_that_hangs_has_its_reason_before_the_deadline(example: Example) -> None:
    example.model_server_is("hang")
    done = example.times_out()
    assert (done.returncode, done.stdout) == (1, "")
    assert "DEADLINE_EXCEEDED MODEL_TIMEOUT: The model server did not answer in time" in done.stderr


def test_text_that_came_before_a_failure_stays(example: Example) -> None:
    example.model_server_is("stall")
    done = example.times_out("hello")
    assert (done.returncode, done.stdout) == (1, "re:\n")
    assert "DEADLINE_EXCEEDED MODEL_TIMEOUT" in done.stderr


def test_interrupting_ends_the_work_at_the_model_server(example: Example) -> None:
    example.model_server_is("stall")
    with example.starts("hello") as process:
        assert process.stdout
        assert process.stdout.read(3) == "re:"
        process.send_signal(signal.SIGINT)
        _said, told = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, told.strip()) == (130, "Cancelled.")
    example.mesh.wait_until(lambda: example.world.ollama.chats[-1].abandoned)


def test_a_paused_model_says_when_to_come_again_and_is_right(example: Example) -> None:
    example.model_server_is("500")
    told = [example.ends("hello") for _ in range(3)]
    assert {done.returncode for done in told} == {1}
    assert "UNAVAILABLE MODEL_UNAVAILABLE: " in told[0].stderr
    # More than once, since a slow machine takes longer to ask than the pause is.
    paused = next(text for text in (example.ends("hello").stderr for _ in range(10)) if "MODEL_PAUSED" in text)
    assert "UNAVAILABLE MODEL_PAUSED: The model failed three times in a row" in paused
    after = re.search(r"Come again in (\d\.\d) s, at \d", paused)
    assert after, paused
    example.model_server_is("ok")
    time.sleep(float(after[1]) + 0.1)
    assert example.ends("hello").stdout == "re: hello\n"


def test_without_a_key_the_program_says_how_to_get_one(example: Example) -> None:
    done = example.ends(key="")
    assert (done.returncode, done.stdout) == (1, "")
    assert "UNAUTHENTICATED CREDENTIAL_MISSING: " in done.stderr
    assert "parley keys create" in done.stderr


@pytest.mark.parametrize("deadline", ["soon", "0", "-1"])
def test_a_deadline_that_is_none_is_said_to_be_so(example: Example, deadline: str) -> None:
    done = example.ends(deadline=deadline)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "DEADLINE_SECONDS is no number of seconds above 0.\n")
