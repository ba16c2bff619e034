"""How does the agent service ask the model service?"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection

import grpc

from agent_service.backends.asks import Asks, NotBegun
from kit import contract, deadlines, logs
from kit.errors import ModelUnavailable, from_rpc
from kit.limits import validator
from kit.moments import seconds as in_seconds
from parley.error.v1.error_reason_pb2 import ErrorReason
from parley.llm.v1 import llm_service_pb2 as llm
from parley.llm.v1 import model_pb2
from parley.llm.v1.llm_service_pb2_grpc import LlmServiceStub

SERVICE = "parley.llm.v1.LlmService"
DEFAULT_WINDOW_TOKENS = 4096
CHARACTERS_PER_TOKEN = 4.0
# How long a turn waits for a model service that is away, for example while it restarts.
CONNECT_SECONDS = 5.0
LIST_SECONDS = 5.0
REFRESH_SECONDS = 15.0
# Between two asks of a busy model: what is left of a rest may be next to nothing, and some servers name 0 s each time.
LEAST_PAUSE_SECONDS, AT_ONCE_SECONDS = 0.05, 1.0


class Llm:
    """LlmService over gRPC, and the windows and token lengths of its models as of the last look."""

    def __init__(self, channel: grpc.aio.Channel, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._channel = channel
        self._stub = LlmServiceStub(channel)
        self._sleep = sleep
        self._asks = Asks(channel, sleep=sleep)
        # A service refuses a whole frame for one ask that is outside its limits, and many share a frame.
        self._check = validator(contract.rpcs_of(contract.service(SERVICE))["Generate"].request) or _nothing
        self._windows: dict[str, int] = {}
        self._lengths: dict[str, float] = {}
        self._names: frozenset[str] = frozenset()
        self._log = logs.get("agent")

    def window(self, model: str) -> int:
        """Tokens; "" is the default model. Without the tag that Ollama adds, a name means its latest."""
        return self._windows.get(model) or self._windows.get(f"{model}:latest") or DEFAULT_WINDOW_TOKENS

    def characters_per_token(self, model: str) -> float:
        """As the model service learnt it from what the model counted."""
        return self._lengths.get(model) or self._lengths.get(f"{model}:latest") or CHARACTERS_PER_TOKEN

    def names(self) -> Collection[str]:
        """The models that there are, as of the last look; none before the first."""
        return self._names

    async def generate(self, request: llm.GenerateRequest, *, seconds: float) -> llm.GenerateResponse:
        """Asks once. When the service is away or busy, again while there is time; then the caller has its reason."""
        self._check(request)
        ends_at = time.monotonic() + (deadlines.within(seconds) or 0.0)
        restarts = 1
        while True:
            try:
                await self._connected(min(CONNECT_SECONDS, ends_at - time.monotonic()))
                response = await self._asks.ask(request, seconds=ends_at - time.monotonic())
            except NotBegun:
                if ends_at - time.monotonic() < 1:
                    raise ModelUnavailable("The model service is stopping.") from None
                await self._asks.rest()
                continue
            except ModelUnavailable:
                if restarts == 0 or ends_at - time.monotonic() < 1:
                    raise
                restarts -= 1
                await self._asks.rest()
                continue
            pause = _busy_seconds(response)
            if not pause or ends_at - time.monotonic() <= 2 * pause:
                return response
            await self._sleep(pause)

    async def stream(
        self, request: llm.GenerateRequest, *, seconds: float, heard: Callable[[str], None]
    ) -> llm.GenerateResponse:
        """Asks once, and tells the text so far with each piece. What ends half-way is asked for anew, as a whole:
        the next model of a chain, and the fallback text, stand in only for what has not begun."""
        self._check(request)
        ends_at = time.monotonic() + (deadlines.within(seconds) or 0.0)
        answer = await self._streamed(request, ends_at - time.monotonic(), heard=heard)
        left = ends_at - time.monotonic()
        return answer if answer is not None else await self.generate(request, seconds=left)

    async def _streamed(
        self, request: llm.GenerateRequest, seconds: float, *, heard: Callable[[str], None]
    ) -> llm.GenerateResponse | None:
        """None when it did not come to an end, or the model was too busy to begin."""
        asked = llm.GenerateStreamRequest(
            tenant_id=request.tenant_id, prompt=request.prompt, fallback_text=request.fallback_text
        )
        answer, pieces = llm.GenerateResponse(), list[str]()
        call = self._stub.GenerateStream(asked, timeout=max(0.0, seconds))
        try:
            async for piece in call:
                if piece.HasField("delta"):
                    pieces.append(piece.delta)
                    if (text := "".join(pieces)) != request.fallback_text:
                        heard(text)  # the model's own: the other may yet give way to an answer
                elif piece.HasField("tool_call"):
                    answer.tool_calls.append(piece.tool_call)
                else:
                    answer.completion.CopyFrom(piece.completed)
        except grpc.aio.AioRpcError as error:
            self._log.info("stream.broken", reason=from_rpc(error).name)
            return None
        finally:
            call.cancel()
        answer.text = "".join(pieces)
        return answer if answer.HasField("completion") and not _busy_seconds(answer) else None

    async def close(self) -> None:
        """Ends the stream of asks."""
        await self._asks.close()

    async def refresh(self) -> None:
        """Learns the windows and token lengths of the models. What is known stays when nobody answers."""
        try:
            listed = await self._stub.ListModels(model_pb2.ListModelsRequest(), timeout=LIST_SECONDS)
        except grpc.aio.AioRpcError as error:
            self._log.debug("models.unknown", reason=from_rpc(error).name)
            return
        self._names = frozenset(model.name for model in listed.models)
        windows = {model.name: model.window_tokens for model in listed.models if model.window_tokens > 0}
        lengths = {model.name: model.characters_per_token for model in listed.models if model.characters_per_token > 0}
        self._lengths = lengths | {"": lengths.get(listed.default_model, CHARACTERS_PER_TOKEN)}
        self._windows = windows | {"": windows.get(listed.default_model, DEFAULT_WINDOW_TOKENS)}

    async def keep_fresh(self) -> None:
        """Looks again and again, until cancelled."""
        while True:
            await self.refresh()
            await self._sleep(REFRESH_SECONDS)

    async def _connected(self, seconds: float) -> None:
        if self._channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY:
            return
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._channel.channel_ready()
        except TimeoutError:
            raise ModelUnavailable("The model service cannot be reached.") from None


def _nothing(_request: llm.GenerateRequest) -> None:
    """The contract has no limits for it."""


def _busy_seconds(response: llm.GenerateResponse) -> float:
    """How long to wait before asking again, when the model had no place free; else 0, also when no time was named:
    a server that says 429 and no more may do so for the rest of the month, when no credit is left."""
    failure = response.completion.failure
    is_busy = response.completion.fallback and failure.reason == ErrorReason.ERROR_REASON_MODEL_BUSY
    if not is_busy or not failure.HasField("retry_after"):
        return 0.0
    return max(LEAST_PAUSE_SECONDS, in_seconds(failure.retry_after) or AT_ONCE_SECONDS)
