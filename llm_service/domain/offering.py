"""What when a model can use no tools? It is asked once more without, before the next one of its chain is.

No protocol says which models take tools, so it is tried: one that was refused with tools and answers without is offered
none for a while, under all its names.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from kit import logs
from kit.errors import ModelRefused, ModelToolInvalid, ModelUnsupported, ParleyError
from llm_service.domain.record import Record
from llm_service.domain.served import Route
from parley.llm.v1 import prompt_pb2

Reply = TypeVar("Reply")
Ask = Callable[..., Awaitable[Reply]]
# How long a model that took none is offered none.
REST_SECONDS = 600.0


def sparing(ask: Ask[Reply]) -> Ask[Reply]:
    """Asks with tools, else without, where the caller can do without a call. The prompt is left as the model that
    answered was asked."""

    async def asked(route: Route, prompt: prompt_pb2.Prompt, *, record: Record, until: float) -> Reply:
        if not prompt.tools or prompt.tool_choice == prompt_pb2.TOOL_CHOICE_REQUIRED:
            return await ask(route, prompt, record=record, until=until)
        if not route.health.takes_tools:
            with _without_tools(prompt):
                return await ask(route, prompt, record=record, until=until)
        try:
            return await ask(route, prompt, record=record, until=until)
        except (ModelRefused, ModelUnsupported, ModelToolInvalid) as error:
            if _is_of_something_else(error):
                raise
            wrong = error
        with _without_tools(prompt):
            reply = await ask(route, prompt, record=record, until=until)
        # One that called what there is not, or with nonsense, takes tools, and may do better the next time.
        if not isinstance(wrong, ModelToolInvalid):
            route.health.spare_tools(REST_SECONDS)
        logs.get("llm").warning("llm.without_tools", reason=wrong.name, model=record.model, backend=record.backend)
        return reply

    return asked


def _is_of_something_else(error: ParleyError) -> bool:
    """Than tools, as its backend found."""
    return "refused" in error.metadata or error.metadata.get("feature", "tools") != "tools"


@contextmanager
def _without_tools(prompt: prompt_pb2.Prompt) -> Iterator[None]:
    """In its place, since backends write to it. When the model does not answer either, the next one gets the tools."""
    kept = prompt_pb2.Prompt(tools=prompt.tools)
    del prompt.tools[:]
    try:
        yield
    except BaseException:
        prompt.tools.extend(kept.tools)
        raise
