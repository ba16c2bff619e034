"""What exactly do we ask an Ollama server, and what do we read from what it tells about its models?"""

import json
from pathlib import Path

import pytest

from kit.errors import ModelUnavailable, ModelUnknown
from llm_service.backends.ollama import Ollama
from llm_service.domain.backend import Model
from parley.chat.v1.message_pb2 import Role
from parley.llm.v1 import llm_service_pb2 as llm
from parley.llm.v1 import prompt_pb2
from tests.simulated import ollama as simulated
from tests.simulated.wire import HttpServer, Reply, Request
from tests.suites.llm.service import a_prompt, serving, wired


async def test_the_prompt_travels_as_the_documented_chat_request() -> None:
    roles = (Role.ROLE_SYSTEM, Role.ROLE_CONTACT, Role.ROLE_AGENT, Role.ROLE_OPERATOR, Role.ROLE_CONTACT)
    messages = [prompt_pb2.PromptMessage(role=role, text=f"text {number}") for number, role in enumerate(roles)]
    prompt = prompt_pb2.Prompt(messages=messages, max_output_tokens=99, temperature=0.0)

    async with simulated.running() as server, wired(server.base_url) as wire:
        await Ollama(wire, window_tokens=4096).answer(prompt, Model("llama3.2:latest", "ollama", 2048))

    assert server.chats[0].body == {
        "model": "llama3.2:latest",
        "stream": False,
        "options": {"num_ctx": 2048, "num_predict": 99, "temperature": 0.0},
        "messages": [
            {"role": "system", "content": "text 0"},
            {"role": "user", "content": "text 1"},
            {"role": "assistant", "content": "text 2"},
            {"role": "assistant", "content": "text 3"},
            {"role": "user", "content": "text 4"},
        ],
    }


@pytest.mark.parametrize(
    ("parameters", "able", "most", "window"),
    [
        ("", 131_072, 4096, 4096),
        ("", 2048, 4096, 2048),
        ("", 131_072, 0, 131_072),
        ('stop   "<|end|>"\nnum_ctx                        16384\n', 131_072, 4096, 16_384),
        ("", 0, 0, 4096),
    ],
)
async def test_the_window_is_what_the_modelfile_sets_else_what_the_model_can_within_our_limit(
    parameters: str, able: int, most: int, window: int
) -> None:
    async with simulated.running(parameters=parameters, context_length=able) as server, wired(server.base_url) as wire:
        (model,) = await Ollama(wire, window_tokens=most).models()

    assert model.window_tokens == window


async def test_the_window_of_a_model_is_asked_for_once() -> None:
    async with simulated.running() as server, wired(server.base_url) as wire:
        backend = Ollama(wire, window_tokens=4096)
        for _ in range(3):
            await backend.models()

    assert [seen.path for seen in server.requests].count("/api/show") == 1


async def test_a_model_that_was_made_anew_under_its_name_has_its_new_window() -> None:
    """`ollama create` with another num_ctx: the name stays, the digest does not."""
    async with simulated.running(parameters="num_ctx 2048") as server, wired(server.base_url) as wire:
        backend = Ollama(wire, window_tokens=4096)
        windows = [[model.window_tokens for model in await backend.models()]]
        server.parameters = "num_ctx 16384"
        windows += [[model.window_tokens for model in await backend.models()] for _ in range(2)]

    assert windows == [[2048], [16_384], [16_384]]
    assert [seen.path for seen in server.requests].count("/api/show") == 2


async def test_a_model_for_embeddings_is_not_for_chat_one_of_an_older_server_is_and_one_without_a_name_is_none() -> (
    None
):
    able = {"embed": ["embedding"], "\ud800": None, "chat": ["completion", "tools"], "old": None}

    def handler(request: Request) -> Reply:
        if request.path == "/api/tags":
            return Reply(200, json.dumps({"models": [{"name": name} for name in able]}).encode())
        return Reply(200, json.dumps({"capabilities": able[json.loads(request.body)["model"]]}).encode())

    server = HttpServer(handler)
    await server.listen()
    async with wired(server.base_url) as wire:
        backend = Ollama(wire, window_tokens=4096)
        for _ in range(2):
            models = await backend.models()
    await server.refuse()

    assert [(model.name, model.is_for_chat) for model in models] == [("embed", False), ("chat", True), ("old", True)]
    assert [request.path for request in server.heard].count("/api/show") == 3


class Damaged:
    """An Ollama whose first model cannot be shown: its file is damaged, it was retired, or one must sign in for it."""

    def __init__(self, status: int, *names: str) -> None:
        self.status = status
        self.names = names or ("broken", "well")
        self.server = HttpServer(self._answer)
        self.shown: list[str] = []

    def _answer(self, request: Request) -> Reply:
        if request.path == "/api/tags":
            return Reply(200, json.dumps({"models": [{"name": name} for name in self.names]}).encode())
        name = json.loads(request.body)["model"]
        if request.path == "/api/chat":
            return Reply(200, json.dumps({"message": {"content": f"I am {name}."}, "done": True}).encode())
        self.shown.append(name)
        if name == "broken" and self.status != 200:
            return Reply(self.status, b'{"error":"invalid file magic"}')
        return Reply(200, b'{"capabilities":["completion"],"model_info":{"llama.context_length":2048}}')


@pytest.mark.parametrize("status", [500, 410, 401, 403, 400, 429])
async def test_one_model_that_cannot_be_shown_hides_no_other_and_is_not_the_default(
    status: int, tmp_path: Path
) -> None:
    damaged = Damaged(status)
    await damaged.server.listen()
    async with wired(damaged.server.base_url) as wire:
        backend = Ollama(wire, window_tokens=4096)
        for _ in range(2):
            models = await backend.models()
        shown = list(damaged.shown)
        damaged.status = 200
        mended = await backend.models()
    damaged.status = status
    async with serving(damaged.server.base_url, tmp_path) as stub:
        request = llm.GenerateRequest(tenant_id="t1", prompt=a_prompt())
        answer = await stub.Generate(request, timeout=20)
    await damaged.server.refuse()

    assert [(model.name, model.is_for_chat, model.window_tokens) for model in models] == [
        ("broken", False, 4096),
        ("well", True, 2048),
    ]
    assert shown == ["broken", "well", "broken"]
    assert [(model.is_for_chat, model.window_tokens) for model in mended] == [(True, 2048), (True, 2048)]
    assert answer.text == "I am well."


async def test_a_server_that_can_show_none_of_its_models_is_away() -> None:
    damaged = Damaged(500, "broken")
    await damaged.server.listen()
    async with wired(damaged.server.base_url) as wire:
        with pytest.raises(ModelUnavailable):
            await Ollama(wire, window_tokens=4096).models()
    await damaged.server.refuse()


async def test_a_model_that_the_server_does_not_have_is_unknown() -> None:
    async with simulated.running() as server, wired(server.base_url) as wire:
        with pytest.raises(ModelUnknown):
            await Ollama(wire, window_tokens=4096).answer(a_prompt(), Model("mistral", "ollama", 4096))


async def test_a_request_says_what_it_holds_and_asks_for_a_plain_answer_and_cookies_are_not_kept() -> None:
    seen: list[Request] = []

    def handler(request: Request) -> Reply:
        seen.append(request)
        return Reply(200, b"{}", {"set-cookie": "session=secret; Path=/"})

    server = HttpServer(handler)
    await server.listen()
    async with wired(server.base_url) as wire:
        for _ in range(2):
            assert await wire.whole("/api/chat", {"model": "llama3.2"}) == {}
    await server.refuse()
    names = ("host", "content-type", "content-length", "accept-encoding", "cookie", "transfer-encoding")
    host = server.base_url.removeprefix("http://")
    assert [tuple(request.headers.get(name) for name in names) for request in seen] == 2 * [
        (host, "application/json", "20", "identity", None, None)
    ]
    assert [request.body for request in seen] == 2 * [b'{"model":"llama3.2"}']


async def test_what_is_raw_goes_to_the_model_as_it_stands() -> None:
    prompt = prompt_pb2.Prompt(raw=True, messages=[prompt_pb2.PromptMessage(role=Role.ROLE_CONTACT, text="<s>hi")])
    model = Model("llama3.2:latest", "ollama", 4096, keep_alive="10m")

    async with simulated.running() as server, wired(server.base_url) as wire:
        backend = Ollama(wire, window_tokens=4096)
        answer = await backend.answer(prompt, model)
        *pieces, _ = [piece async for piece in backend.stream(prompt, model)]

    assert answer.text == "".join(str(piece) for piece in pieces) == "re: <s>hi"
    assert server.chats[0].path == "/api/generate"
    assert server.chats[0].body == {
        "model": "llama3.2:latest",
        "prompt": "<s>hi",
        "raw": True,
        "stream": False,
        "keep_alive": "10m",
        "options": {"num_ctx": 4096},
    }


async def test_a_model_is_fetched_layer_by_layer_and_is_there_then() -> None:
    async with simulated.running() as server, wired(server.base_url) as wire:
        backend = Ollama(wire, window_tokens=4096)
        steps = [step async for step in backend.pull("mistral")]
        names = [model.name for model in await backend.models()]

    layers = [step for step in steps if step.layer and step.total_bytes]
    assert steps[-1].status == "success"
    assert len({step.layer for step in layers}) > 1
    assert all(step.completed_bytes <= step.total_bytes for step in layers)
    assert any(name.startswith("mistral") for name in names)


async def test_a_model_that_no_registry_has_cannot_be_fetched() -> None:
    async with simulated.running() as server, wired(server.base_url) as wire:
        with pytest.raises(ModelUnknown):
            async for _ in Ollama(wire, window_tokens=4096).pull("nope"):
                pass
