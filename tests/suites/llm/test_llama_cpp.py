"""Does a real llama.cpp server, with a model that this test makes, answer through the service?

No simulation here: llama.cpp's own HTTP server, from a package, runs a model file of 150 KB. What it says is nonsense;
that it arrives whole, counted, in pieces and by schema is what is asked.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from parley.llm.v1 import completion_pb2, model_pb2, prompt_pb2
from parley.llm.v1 import llm_service_pb2 as llm
from tests.running import ROOT
from tests.stalls import PATIENCE_SECONDS
from tests.suites.llm import llama_model
from tests.suites.llm.service import Setup, a_prompt, serving

if TYPE_CHECKING:
    from parley.llm.v1.llm_service_pb2_grpc import LlmServiceAsyncStub

NAME = "tiny-random"
PACKAGE = ROOT / ".venv/llama"


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a real server."""
    assert PACKAGE.is_dir(), "llama.cpp is missing: run scripts/test_tools.py (there are wheels for x86_64 and arm64)"
    folder = tmp_path_factory.mktemp("llama")
    llama_model.write(folder / "tiny.gguf")
    command = [sys.executable, str(Path(llama_model.__file__).with_name("llama_server.py")), str(folder / "tiny.gguf")]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": str(PACKAGE)}, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        assert url.startswith("http"), (folder / "log").read_text(errors="replace")[-2000:]
        yield url
    finally:
        server.kill()  # it would wait for its clients
        server.wait()
        server.stdout.close() if server.stdout else None


async def test_its_model_is_listed_and_is_the_default(base_url: str, tmp_path: Path) -> None:
    async with serving(base_url, tmp_path, Setup("openai")) as stub:
        listed = await stub.ListModels(model_pb2.ListModelsRequest(), timeout=PATIENCE_SECONDS)

    assert (listed.default_model, listed.default_backend) == (NAME, "openai")
    assert listed.note == f"The server at {base_url}/v1 answers with {NAME}."


async def test_it_answers_at_once_and_in_pieces_alike(base_url: str, tmp_path: Path) -> None:
    prompt = a_prompt("How are you?")
    prompt.max_output_tokens, prompt.temperature = 24, 0.0
    async with serving(base_url, tmp_path, Setup("openai")) as stub:
        whole = await _generate(stub, prompt)
        request = llm.GenerateStreamRequest(tenant_id="t1", prompt=prompt)
        *pieces, end = [part async for part in stub.GenerateStream(request, timeout=PATIENCE_SECONDS)]

    assert whole.text.strip()
    assert "".join(piece.delta for piece in pieces) == whole.text
    assert len(pieces) > 2
    assert whole.completion.finish_reason == end.completed.finish_reason
    assert 0 < end.completed.output_tokens <= 24
    assert end.completed.input_tokens == whole.completion.input_tokens > 0


async def test_it_writes_json_that_fits_a_schema(base_url: str, tmp_path: Path) -> None:
    prompt = a_prompt("Which one?")
    prompt.max_output_tokens = 200
    prompt.output_schema = _schema({"choice": {"enum": ["red", "green"]}, "sure": {"type": "boolean"}})
    async with serving(base_url, tmp_path, Setup("openai")) as stub:
        answer = await _generate(stub, prompt)

    assert set(json.loads(answer.text)) == {"choice", "sure"}


async def test_a_prompt_that_is_too_long_for_it_is_refused_and_another_is_answered(
    base_url: str, tmp_path: Path
) -> None:
    long, short = a_prompt("the cat " * 4000), a_prompt("hello")
    short.max_output_tokens = 8
    async with serving(base_url, tmp_path, Setup("openai")) as stub:
        refused = await _generate(stub, long, fallback="Sorry.")
        answer = await _generate(stub, short)

    assert refused.completion.fallback
    assert refused.completion.attempts == 1
    assert answer.completion.finish_reason in {
        completion_pb2.FINISH_REASON_STOP,
        completion_pb2.FINISH_REASON_LENGTH,
    }


async def _generate(
    stub: "LlmServiceAsyncStub", prompt: prompt_pb2.Prompt, *, fallback: str = ""
) -> llm.GenerateResponse:
    request = llm.GenerateRequest(tenant_id="t1", prompt=prompt, fallback_text=fallback)
    return await stub.Generate(request, timeout=PATIENCE_SECONDS)


def _schema(properties: dict[str, Any]) -> str:
    closed = {"additionalProperties": False, "required": list(properties)}
    return json.dumps({"type": "object", "properties": properties, **closed})
