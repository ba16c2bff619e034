"""Who in the mesh answers? Standard gRPC health of each service, and which model the llm service would ask."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from parley.llm.v1 import llm_service_pb2_grpc, model_pb2

SERVICES = ("storage", "agent", "llm", "sender")
NEEDED = "storage"  # without it nothing can be accepted; what the others miss meanwhile waits for them

_Serving = health_pb2.HealthCheckResponse.ServingStatus


@dataclass(frozen=True, slots=True)
class Model:
    """What answers, as the llm service tells it."""

    backend: str = ""
    model: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The state of every service: "serving", "not_serving" or "unreachable"."""

    states: Mapping[str, str]
    model: Model

    @property
    def ready(self) -> bool:
        """Whether webhooks can be accepted."""
        return self.states[NEEDED] == "serving"


class Neighbours:
    """Asks, and remembers the answer for a second: whoever polls /readyz must not load the mesh."""

    def __init__(
        self,
        channel_of: Callable[[str], grpc.aio.Channel],
        *,
        clock: Callable[[], float],
        timeout_seconds: float = 1.0,
        fresh_seconds: float = 1.0,
    ) -> None:
        self._health = {name: health_pb2_grpc.HealthStub(channel_of(name)) for name in SERVICES}
        self._llm = llm_service_pb2_grpc.LlmServiceStub(channel_of("llm"))
        self._clock = clock
        self._timeout = timeout_seconds
        self._fresh = fresh_seconds
        self._asking: asyncio.Task[Report] | None = None
        self._asked_at = 0.0
        self._model = Model()

    async def report(self) -> Report:
        """How they are, at most a second ago."""
        now = self._clock()
        if self._asking is None or (self._asking.done() and now - self._asked_at >= self._fresh):
            self._asking = asyncio.create_task(self._ask())
            self._asked_at = now
        return await asyncio.shield(self._asking)

    async def can_accept(self) -> bool:
        """Whether webhooks can be accepted right now."""
        return await self._state(NEEDED) == "serving"

    async def _ask(self) -> Report:
        asked = asyncio.gather(*(self._state(name) for name in SERVICES))
        states, _ = await asyncio.gather(asked, self._learn_model())
        return Report(dict(zip(SERVICES, states, strict=True)), self._model)

    async def _state(self, name: str) -> str:
        try:
            answer = await self._health[name].Check(health_pb2.HealthCheckRequest(), timeout=self._timeout)
        except grpc.aio.AioRpcError:
            return "unreachable"
        return "serving" if answer.status == _Serving.SERVING else "not_serving"

    async def _learn_model(self) -> None:
        """Keeps the last that was heard: the page says who answers even while the llm service restarts."""
        try:
            models = await self._llm.ListModels(model_pb2.ListModelsRequest(), timeout=self._timeout)
        except grpc.aio.AioRpcError:
            return
        self._model = Model(models.default_backend, models.default_model, models.note)
