"""How is a model asked? Directly, as anyone would write it well, and through the model service, in each of its ways."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter

import grpc
import httpx
import orjson
from httpx_aiohttp import AiohttpTransport

from agent_service.backends.asks import Asks
from parley.chat.v1.message_pb2 import Role
from parley.llm.v1 import llm_service_pb2 as llm
from parley.llm.v1 import llm_service_pb2_grpc, prompt_pb2

TENANT = "default"
TIMEOUT_SECONDS = 30.0
# A prompt as the agent sends it: the instructions, and the ten messages before the one to be answered.
INSTRUCTIONS = (
    "You are the assistant of a small shop. Answer briefly, in the language of the customer, and say what is so."
)
SAID = "Is the blue one in stock, and how long does it take to Rotterdam?"
ANSWERED = "Yes, the blue one is in stock. It takes two days to Rotterdam."
_TURNS = (("system", INSTRUCTIONS), *(("user", SAID), ("assistant", ANSWERED)) * 5, ("user", SAID))
_MESSAGES = [{"role": role, "content": text} for role, text in _TURNS]
_ROLES = {"system": Role.ROLE_SYSTEM, "user": Role.ROLE_CONTACT, "assistant": Role.ROLE_AGENT}


@dataclass(frozen=True, slots=True)
class Heard:
    """The answer, and when its first text was there (perf_counter)."""

    text: str
    first_at: float


Way = Callable[[str], Awaitable[Heard]]


class Direct:
    """One client of the model server."""

    def __init__(self, base_url: str, *, most_connections: int) -> None:
        limits = httpx.Limits(max_connections=most_connections)
        transport = AiohttpTransport(limits=limits)
        self._client = httpx.AsyncClient(base_url=base_url, transport=transport, timeout=TIMEOUT_SECONDS)

    async def ollama(self, model: str) -> Heard:
        body = {"model": model, "messages": _MESSAGES, "stream": False}
        response = (await self._client.post("/api/chat", json=body)).raise_for_status()
        text: str = orjson.loads(response.content)["message"]["content"]
        return Heard(text, perf_counter())

    async def ollama_stream(self, model: str) -> Heard:
        body = {"model": model, "messages": _MESSAGES, "stream": True}
        first_at, texts = 0.0, []
        async with self._client.stream("POST", "/api/chat", json=body) as response:
            async for line in response.raise_for_status().aiter_lines():
                texts.append(orjson.loads(line)["message"]["content"])
                first_at = first_at or perf_counter()
        return Heard("".join(texts), first_at)

    async def chat_stream(self, model: str) -> Heard:
        body = {"model": model, "messages": _MESSAGES, "stream": True, "stream_options": {"include_usage": True}}
        first_at, texts = 0.0, []
        async with self._client.stream("POST", "/v1/chat/completions", json=body) as response:
            async for line in response.raise_for_status().aiter_lines():
                if not line.startswith("data: {"):
                    continue
                for choice in orjson.loads(line[len("data: ") :])["choices"]:
                    texts.append(choice["delta"].get("content") or "")
                    first_at = first_at or perf_counter()
        return Heard("".join(texts), first_at)

    async def aclose(self) -> None:
        await self._client.aclose()


class Through:
    """One caller of the model service, over one channel of the mesh."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = llm_service_pb2_grpc.LlmServiceStub(channel)
        self._asks = Asks(channel)

    async def generate(self, model: str) -> Heard:
        response: llm.GenerateResponse = await self._stub.Generate(_request(model), timeout=TIMEOUT_SECONDS)
        return Heard(response.text, perf_counter())

    async def many(self, model: str) -> Heard:
        """As the agent asks: all asks of the process share one stream."""
        response = await self._asks.ask(_request(model), seconds=TIMEOUT_SECONDS)
        return Heard(response.text, perf_counter())

    async def stream(self, model: str) -> Heard:
        request = llm.GenerateStreamRequest(tenant_id=TENANT, prompt=_prompt(model))
        first_at, texts = 0.0, []
        async for part in self._stub.GenerateStream(request, timeout=TIMEOUT_SECONDS):
            texts.append(part.delta)
            first_at = first_at or perf_counter()
        return Heard("".join(texts), first_at)

    async def aclose(self) -> None:
        await self._asks.close()


def _request(model: str) -> llm.GenerateRequest:
    return llm.GenerateRequest(tenant_id=TENANT, prompt=_prompt(model))


def _prompt(model: str) -> prompt_pb2.Prompt:
    said = [prompt_pb2.PromptMessage(role=_ROLES[role], text=text) for role, text in _TURNS]
    return prompt_pb2.Prompt(model=model, messages=said)
