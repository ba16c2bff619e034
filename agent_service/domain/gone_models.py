"""What when the model that somebody chose is there no more? The agent's own answers, until another one is chosen."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from kit import logs
from parley.error.v1.error_reason_pb2 import ErrorReason
from parley.llm.v1.llm_service_pb2 import GenerateRequest, GenerateResponse
from parley.storage.v1.turn_requests_pb2 import LeasedTurn

UNKNOWN = ErrorReason.ERROR_REASON_MODEL_UNKNOWN


class Generate(Protocol):
    """How a model is asked."""

    async def __call__(self, request: GenerateRequest, *, seconds: float) -> GenerateResponse:
        """The answer, or the fallback text."""


async def generate(
    ask: Generate, request: GenerateRequest, *, own: str, seconds: float, now: Callable[[], datetime]
) -> GenerateResponse:
    """The answer; when nobody knows the model that was chosen, that of the agent's own, in the time that is left."""
    began, chosen = now(), request.prompt.model
    answer = await ask(request, seconds=seconds)
    left = seconds - (now() - began).total_seconds()
    if answer.completion.failure.reason != UNKNOWN or chosen == own or left <= 0:
        return answer
    _tell(chosen)
    request.prompt.model = own
    return await ask(request, seconds=left)


def takes_own(turn: LeasedTurn) -> bool:
    """Whether the agent's own may be asked in the place of one that nobody knows. What is written for it then, such as
    a summary, is written anew: its window may be another one."""
    setting = turn.setting
    if setting.model == setting.own_model:
        return False
    _tell(setting.model)
    setting.model = setting.own_model
    return True


def _tell(model: str) -> None:
    logs.get("agent").warning("model.gone", model=model)
