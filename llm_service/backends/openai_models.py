"""What do OpenAI's two protocols have in common? The list of models, how a tool is told, and that nothing is pulled."""

from collections.abc import AsyncGenerator, Mapping

from kit.errors import ModelUnsupported
from llm_service.backends.reading import Object, count, is_name, objects
from llm_service.backends.wire import Wire
from llm_service.domain.backend import Model, Progress
from llm_service.domain.schemas import parsed
from parley.llm.v1 import prompt_pb2

MOST_MODELS = 500


async def listed(wire: Wire, backend: str) -> tuple[Model, ...]:
    """The models that the server lists. Together's list stands bare."""
    found = objects((await wire.whole("/models", bare="data")).get("data"))[:MOST_MODELS]
    known = {str(entry["id"]): entry for entry in found if is_name(entry.get("id"))}
    return tuple(Model(name, backend, _window(entry, known)) for name, entry in known.items())


def _window(entry: Object, known: Mapping[str, Object]) -> int:
    """As vLLM and SGLang say it, of an adapter as they say it of its model; 0 where nobody does. Nothing is asked for
    by it, as of Ollama: the server has it already."""
    parent = known.get(str(entry.get("parent")), {})
    return count(entry.get("max_model_len")) or count(parent.get("max_model_len"))


def tool(said: prompt_pb2.Tool) -> Object:
    """A function as both protocols write it."""
    return {"name": said.name, "description": said.description, "parameters": parsed(said.parameters)}


async def no_pulling(name: str) -> AsyncGenerator[Progress, None]:
    """These servers have the models that they have."""
    raise ModelUnsupported(f"Only Ollama can fetch {name!r}.", metadata={"feature": "pull"})
    yield Progress("")  # makes this a generator, as the protocol of a backend has it
