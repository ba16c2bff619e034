"""How does the model service start, look for a model server, and end?"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kit import logs, metrics
from kit import settings as kit_settings
from kit.calling import Mesh
from kit.lifetime import Lifetime
from llm_service.__main__ import serve
from llm_service.settings import Settings
from parley.llm.v1 import llm_service_pb2 as llm
from parley.llm.v1 import model_pb2
from parley.llm.v1.llm_service_pb2_grpc import LlmServiceStub
from tests.simulated import ollama as simulated
from tests.simulated.wire import free_port
from tests.stalls import SHORT_PATIENCE_SECONDS
from tests.suites.llm.service import a_prompt

if TYPE_CHECKING:
    from parley.llm.v1.llm_service_pb2_grpc import LlmServiceAsyncStub


def settings(folder: Path, **environ: str) -> Settings:
    given = {"DATA_DIR": str(folder), "MESH_DRAIN_DELAY_SECONDS": "0", "LOG_LEVEL": "error", **environ}
    return kit_settings.load(Settings, environ=given, env_file=folder / "none")


@asynccontextmanager
async def started(chosen: Settings) -> AsyncIterator["LlmServiceAsyncStub"]:
    """The whole service, as `python -m llm_service` has it."""
    logs.configure(chosen, "llm")
    lifetime, address = Lifetime(), {"llm_address": f"127.0.0.1:{free_port()}"}
    running = asyncio.create_task(serve(chosen.model_copy(update=address), lifetime))
    mesh = Mesh(chosen.model_copy(update=address))
    await mesh.open()
    try:
        async with asyncio.timeout(30):
            await lifetime.wait_ready(["llm"])
        yield LlmServiceStub(mesh.channel("llm"))
    finally:
        lifetime.stop()
        await running
        await mesh.close()


async def test_a_model_server_found_at_the_default_is_picked_up_when_it_starts(tmp_path: Path) -> None:
    async with simulated.running("refuse") as server:
        chosen = settings(tmp_path, LLM_RECHECK_SECONDS="0.05")
        # The default, moved to where this test has a server: not named by an operator.
        chosen = chosen.model_copy(update={"ollama_base_url": server.base_url})
        chosen.model_fields_set.discard("ollama_base_url")
        async with started(chosen) as stub:
            before = await stub.Generate(_request(), timeout=SHORT_PATIENCE_SECONDS)
            await server.switch("ok")
            async with asyncio.timeout(30):
                while (after := await stub.Generate(_request(), timeout=SHORT_PATIENCE_SECONDS)).text == before.text:
                    await asyncio.sleep(0.05)
            listed = await stub.ListModels(model_pb2.ListModelsRequest(), timeout=SHORT_PATIENCE_SECONDS)

    assert before.text == 'echo: you said "hello there"'
    assert after.text == "re: hello there"
    assert (listed.default_model, listed.default_backend) == ("llama3.2:latest", "ollama")


async def test_a_named_model_server_that_is_away_gives_the_fallback_and_the_note_says_so(tmp_path: Path) -> None:
    async with simulated.running("refuse") as server:
        chosen = settings(tmp_path, OLLAMA_BASE_URL=server.base_url)
        async with started(chosen) as stub:
            answer = await stub.Generate(_request(), timeout=1.5)
            listed = await stub.ListModels(model_pb2.ListModelsRequest(), timeout=SHORT_PATIENCE_SECONDS)

    assert answer.text == "sorry"
    assert "fallback" in listed.note
    assert listed.default_backend == "ollama"


async def test_a_frozen_model_server_delays_neither_the_start_nor_the_end(tmp_path: Path) -> None:
    begins, ends = await _took(tmp_path, "ok")
    begins_beside, ends_beside = await _took(tmp_path, "frozen")

    assert (begins_beside < begins + 2, ends_beside < ends + 2) == (True, True)


async def test_a_models_file_with_an_address_that_is_none_changes_nothing_until_it_is_mended(tmp_path: Path) -> None:
    file, text = (
        tmp_path / "models.toml",
        '[backends.b]\nkind = "openai"\nbase_url = "{}"\n[models.{}]\nbackend = "b"\n',
    )
    file.write_text(text.format("http://127.0.0.1:9/v1", "one"))
    chosen = settings(tmp_path, MODELS_FILE=str(file), LLM_RECHECK_SECONDS="0.05")
    refused = metrics.llm_reloads.labels(result="refused")._value
    before = refused.get()
    async with started(chosen) as stub, asyncio.timeout(30):

        async def names() -> set[str]:
            listed = await stub.ListModels(model_pb2.ListModelsRequest(), timeout=20)
            return {model.name for model in listed.models} - {"echo"}

        assert await names() == {"one"}
        (tmp_path / "second").write_text(text.format("http://gpu\u2010box:8000/v1", "second"), encoding="utf-8")
        (tmp_path / "second").replace(file)
        while refused.get() == before:
            await asyncio.sleep(0.05)
        assert await names() == {"one"}
        (tmp_path / "third").write_text(text.format("http://127.0.0.1:9/v1", "third"))
        (tmp_path / "third").replace(file)
        while await names() != {"third"}:
            await asyncio.sleep(0.05)


def test_an_address_that_is_no_url_stops_the_start_with_one_line(tmp_path: Path) -> None:
    with pytest.raises(kit_settings.SettingsError, match="OLLAMA_BASE_URL"):
        settings(tmp_path, OLLAMA_BASE_URL="localhost:11434")


def test_an_address_counts_as_named_when_the_operator_wrote_it_even_if_it_is_the_default(tmp_path: Path) -> None:
    assert not settings(tmp_path).ollama_named
    assert settings(tmp_path, OLLAMA_BASE_URL="http://127.0.0.1:11434").ollama_named


def _request() -> llm.GenerateRequest:
    return llm.GenerateRequest(tenant_id="t1", prompt=a_prompt(), fallback_text="sorry")


async def _took(folder: Path, mode: str) -> tuple[float, float]:
    """How long the start takes, and the end, beside a model server that is so; in seconds."""
    async with simulated.running(mode) as server:
        begun = time.monotonic()
        async with started(settings(folder, OLLAMA_BASE_URL=server.base_url)):
            ready = time.monotonic()
        return ready - begun, time.monotonic() - ready
