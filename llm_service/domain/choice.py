"""Which backend and model answer a prompt, and who stands in for them?

The catalogue says, and what the servers list. Without models.toml the model server answers when it is there; when
nobody named one and none is found, echo answers and says so. Echo never stands in for a server that was named.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from kit import logs
from kit.errors import ModelRefused, ModelUnavailable, ModelUnknown, ParleyError
from llm_service.domain.backend import Model
from llm_service.domain.catalogue import ECHO, Catalogue
from llm_service.domain.notes import Seen, note
from llm_service.domain.served import Route, Served
from llm_service.domain.states import is_paused, state
from parley.llm.v1 import model_pb2

LOOK_SECONDS = 3.0
# A call that found a backend before it was removed may yet ask it, for as long as a model has at most.
LEFT_SECONDS = 600.0
# Of a model about which nobody says anything.
WINDOW_TOKENS = 4096

Connect = Callable[[Catalogue, Mapping[str, Served]], dict[str, Served]]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the operator asked for beside the catalogue. `written` names models.toml, when there is one."""

    named: bool
    window_tokens: int
    recheck_seconds: float
    silence_seconds: float = 15.0
    default_model: str = ""
    written: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One model of a listing."""

    route: Route
    state: model_pb2.ModelState


@dataclass(frozen=True, slots=True)
class Listing:
    """What can be asked, and the default in a person's words."""

    rows: tuple[Row, ...]
    default_model: str
    default_backend: str
    note: str


class Choice:
    """Knows the servers as of the last look, and echo always. `connect` makes what a catalogue names."""

    def __init__(self, catalogue: Catalogue, connect: Connect, *, echo: Route, wishes: Wishes) -> None:
        self._catalogue = catalogue
        self._connect = connect
        self._echo = echo
        self._wishes = wishes
        self._written_in = wishes.written
        self._served: dict[str, Served] = connect(catalogue, {})
        self._left: list[tuple[Served, float]] = []
        self._looked = asyncio.Event()
        self._said = ""
        self._log = logs.get("llm")

    async def chain(self, name: str) -> tuple[Route, ...]:
        """Who answers to this name, the default's when it is empty, and who after that. None before the first look."""
        await self._looked.wait()
        return self.known_chain(name)

    @property
    def has_looked(self) -> bool:
        """Whether the first look is over: from then on nobody waits."""
        return self._looked.is_set()

    def known_chain(self, name: str) -> tuple[Route, ...]:
        """The same as far as it is known now."""
        first = self._route(name)
        return (first, *self._after(first)) if first.model.fallbacks else (first,)

    async def served(self, name: str) -> Served:
        """The backend of this name; for an empty name the first that can fetch. ModelUnknown when there is none."""
        await self._looked.wait()
        if found := self._served.get(name) if name else self._fetching():
            return found
        raise ModelUnknown(f"There is no backend {name!r}.", metadata={"backend": name})

    def follow(self, catalogue: Catalogue, *, written: str) -> None:
        """Another catalogue from now on. Backends that it leaves as they are keep their connections and state."""
        before = self._served
        self._served = self._connect(catalogue, before)
        self._catalogue, self._written_in = catalogue, written
        kept = {id(each) for each in self._served.values()}
        gone = [each for each in before.values() if id(each) not in kept]
        self._left += [(each, each.clock() + LEFT_SECONDS) for each in gone]

    async def look(self) -> None:
        """Asks every server what it has."""
        await asyncio.gather(*(self._look(served) for served in self._served.values()))
        self._looked.set()
        for served in (*self._served.values(), *[each for each, _at in self._left]):
            served.show()
        self._say()
        over = [(each, at) for each, at in self._left if each.clock() >= at and not each.bulkhead.taken]
        self._left = [each for each in self._left if each not in over]
        for each, _at in over:
            await self._close(each)

    async def listing(self) -> Listing:
        """All models with their state."""
        await self._looked.wait()
        return self._listing()

    async def aclose(self) -> None:
        """Gives all connections back."""
        for each in (*self._served.values(), *[each for each, _at in self._left]):
            await self._close(each)

    async def _close(self, served: Served) -> None:
        try:
            await served.aclose()
        except Exception as error:  # A backend is foreign code, and those after it are to be closed too.
            self._log.warning("llm.not_closed", backend=served.name, error_type=type(error).__name__)

    async def _look(self, served: Served) -> None:
        """What was seen once stays known while a server is away. One that does not list is there all the same."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                models = await served.backend.models()
            served.reachable, served.lists, served.may_list, served.refusal = True, True, True, ""
            served.found = {model.name: self._sized(model) for model in models}
        except ModelUnknown:
            served.reachable, served.lists, served.may_list, served.refusal = True, False, True, ""
        except ModelRefused as error:
            served.reachable, about = True, error.metadata.get("refused")
            served.refusal = error.message if about in {"key", "right"} else ""
            if about == "right" and served.kind != "ollama":
                # Some keys may chat and not list, such as OpenAI's restricted ones: only a call can say.
                served.lists, served.may_list, served.refusal = False, False, ""
        except Exception as error:  # A backend is foreign code that reads what strangers wrote.
            self._log.debug("llm.away", backend=served.name, error_type=type(error).__name__)
            served.reachable = False

    def _sized(self, model: Model) -> Model:
        wishes = self._wishes
        window = model.window_tokens or wishes.window_tokens or WINDOW_TOKENS
        guessed = not model.window_tokens
        return replace(model, window_tokens=window, is_guessed=guessed, silence_seconds=wishes.silence_seconds)

    def _route(self, name: str) -> Route:
        wanted = name or self._default_name()
        if wanted in self._catalogue.models:
            return self._written(wanted)
        for served in self._offering():
            if model := served.find(wanted):
                return Route(served, model)
        if wanted == ECHO:
            return self._echo
        if not wanted:
            raise ModelUnavailable(self._note())
        # Never seen yet: the call itself finds out, and the failure has its own reason.
        unseen = next((served for served in self._offering() if not served.found), None)
        if unseen is not None:
            return Route(unseen, self._sized(Model(wanted, unseen.name, 0, listed=wanted == self._wanted)))
        raise ModelUnknown(f"No model server has a model {wanted!r}.", metadata={"model": wanted})

    def _written(self, name: str) -> Route:
        wishes = self._wishes
        served = self._served[self._catalogue.models[name].backend]
        listed = served.find(self._catalogue.server_name(name) or name)
        window = listed.window_tokens if listed else wishes.window_tokens or WINDOW_TOKENS
        guessed = listed is None or listed.is_guessed
        model = self._catalogue.model(
            name, silence_seconds=wishes.silence_seconds, window_tokens=window, is_guessed=guessed
        )
        return Route(served, model)

    def _after(self, first: Route) -> Iterator[Route]:
        for name in first.model.fallbacks:
            try:
                yield self._route(name)
            except ParleyError:
                self._log.warning("llm.no_such_fallback", model=first.model.name, fallback=name)

    def _fetching(self) -> Served:
        fetching = (served for served in self._served.values() if served.kind == "ollama")
        return next(fetching, next(iter(self._served.values()), self._echo.served))

    def _offering(self) -> Iterator[Served]:
        return (served for served in self._served.values() if served.offers_all)

    @property
    def _wanted(self) -> str:
        return self._wishes.default_model or self._catalogue.default

    def _default_name(self) -> str:
        if self._wanted:
            return self._echo_alone() or self._wanted
        if self._catalogue.models:
            return next(iter(self._catalogue.models))
        for served in self._offering():
            # Ollama has what somebody pulled; another server may list what nobody wants to talk to.
            if (served.kind == "ollama" or len(served.found) == 1) and (first := served.first_for_chat()):
                return first
        return self._echo_alone()

    def _echo_alone(self) -> str:
        """Echo's name while nobody named a server and none has a model; else nothing."""
        found = any(served.first_for_chat() for served in self._served.values())
        return "" if found or self._wishes.named or self._written_in else ECHO

    def _listing(self) -> Listing:
        routes = {name: self._written(name) for name in self._catalogue.models}
        for served in self._offering():
            routes = {name: Route(served, model) for name, model in sorted(served.found.items())} | routes
        rows = [Row(route, state(route)) for _, route in sorted(routes.items())]
        if ECHO not in routes:
            rows.append(Row(self._echo, model_pb2.MODEL_STATE_READY))
        try:
            default = self._route("")
            name, backend = default.model.name, default.served.name
            if not default.served.lists and name not in routes:
                rows.append(Row(default, state(default)))
        except ParleyError:
            name, backend = self._wanted, next(iter(self._served), "")
        return Listing(tuple(rows), name, backend, self._note())

    def _say(self) -> None:
        """One line at start, and one whenever it becomes something else."""
        listing = self._listing()
        if listing.note == self._said:
            return
        self._said = listing.note
        self._log.info("llm.chosen", backend=listing.default_backend, model=listing.default_model, reason=listing.note)

    def _note(self) -> str:
        wishes, default = self._wishes, self._default_name()
        try:
            route = self._route(default) if default else None
        except ParleyError:
            route = None
        # Of echo nothing is to be said but why the server does not answer instead.
        asked = route if route is not self._echo else None
        served = asked.served if asked else next(iter(self._served.values()), self._echo.served)
        return note(
            Seen(
                served=served,
                default=default,
                has_default=route is not None and (bool(served.find(route.model.called)) or not served.found),
                asked_for_echo=self._wanted == ECHO,
                recheck_seconds=wishes.recheck_seconds,
                written="" if wishes.default_model else self._written_in,
                is_paused=asked is not None and is_paused(asked),
                has_fallbacks=asked is not None and bool(asked.model.fallbacks),
                health=asked.health if asked else None,
            )
        )
