"""Which backend and model answer a prompt, and what is said to a person about that?

The model server answers when it is there. When nobody named one and none is found, echo answers and says so. When the
operator did name one, echo never stands in for it: people get the fallback text until it is back.
"""

import asyncio
from dataclasses import dataclass

from kit import logs
from kit.errors import ModelUnavailable, ModelUnknown, ParleyError
from llm_service.domain.backend import Backend, Model

LOOK_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Route:
    """Who answers."""

    backend: Backend
    model: Model


@dataclass(frozen=True, slots=True)
class Listing:
    """What can be asked, and the default in a person's words."""

    models: tuple[tuple[Model, bool], ...]
    default_model: str
    default_backend: str
    note: str


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the operator asked for."""

    base_url: str
    named: bool
    default_model: str
    window_tokens: int
    recheck_seconds: float


class Choice:
    """Knows the model server as of the last look, and echo always."""

    def __init__(self, server: Backend, echo: Route, *, wishes: Wishes) -> None:
        self._server = server
        self._echo = echo
        self._wishes = wishes
        self._models: dict[str, Model] = {}
        self._reachable = False
        self._looked = asyncio.Event()
        self._said = ""
        self._log = logs.get("llm")

    async def route(self, name: str) -> Route:
        """Who answers to this name; the default's when it is empty. Nobody is chosen before the first look."""
        await self._looked.wait()
        return self._route(name)

    async def look(self) -> None:
        """Asks the model server what it has. What was seen once stays known while it is away."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                models = await self._server.models()
            self._reachable = True
            self._models = {model.name: model for model in models}
        except Exception as error:  # A backend is foreign code that reads what strangers wrote.
            self._log.debug("llm.away", backend=self._server.name, error_type=type(error).__name__)
            self._reachable = False
        self._looked.set()
        self._say()

    async def watch(self) -> None:
        """Looks now and again every few seconds, so that a server started later is picked up. Ends when cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._wishes.recheck_seconds)

    async def listing(self) -> Listing:
        """All models with their state."""
        await self._looked.wait()
        return self._listing()

    def _route(self, name: str) -> Route:
        wanted = name or self._default_name()
        if wanted == self._echo.model.name:
            return self._echo
        if known := self._models.get(wanted) or self._models.get(f"{wanted}:latest"):
            return Route(self._server, known)
        if self._models:
            raise ModelUnknown(f"The model server has no model {wanted!r}.", metadata={"model": wanted})
        if not wanted:
            raise ModelUnavailable(self._note())
        # Never seen yet: the call itself finds out, and the failure has its own reason.
        window = self._wishes.window_tokens or 4096
        return Route(self._server, Model(wanted, self._server.name, window))

    def _listing(self) -> Listing:
        served = [(model, self._reachable) for _, model in sorted(self._models.items())]
        try:
            default = self._route("")
            name, backend = default.model.name, default.backend.name
        except ParleyError:
            name, backend = self._wishes.default_model, self._server.name
        return Listing((*served, (self._echo.model, True)), name, backend, self._note())

    def _default_name(self) -> str:
        echo = self._echo.model.name
        if not self._models and not self._wishes.named:
            return echo
        return self._wishes.default_model or next(iter(self._models), "")

    def _say(self) -> None:
        """One line at start, and one whenever it becomes something else."""
        listing = self._listing()
        if listing.note == self._said:
            return
        self._said = listing.note
        self._log.info("llm.chosen", backend=listing.default_backend, model=listing.default_model, reason=listing.note)

    def _note(self) -> str:
        wishes, name = self._wishes, self._default_name()
        if name == self._echo.model.name:
            return self._note_of_echo()
        if not self._reachable:
            return f"The model server at {wishes.base_url} does not answer: people get the fallback text until it does."
        if not self._models:
            return (
                f"Ollama at {wishes.base_url} has no model: run `ollama pull llama3.2`. People get the fallback text."
            )
        if name not in self._models and f"{name}:latest" not in self._models:
            return f"Ollama at {wishes.base_url} has no {name!r} (DEFAULT_MODEL): run `ollama pull {name}`."
        return f"Ollama at {wishes.base_url} answers with {name}."

    def _note_of_echo(self) -> str:
        wishes = self._wishes
        if wishes.default_model == self._echo.model.name:
            return "Echo answers, as DEFAULT_MODEL asks: it repeats what people say and thinks nothing."
        found = "Ollama has no model" if self._reachable else "No model server answers"
        return (
            f"{found} at {wishes.base_url}, so echo answers: it repeats what people say. Start Ollama (`ollama serve`, "
            f"`ollama pull llama3.2`) and it is used within {wishes.recheck_seconds:g} s, or set OLLAMA_BASE_URL."
        )
