"""Which backend answers, and what is said about it?"""

from dataclasses import replace

import pytest

from kit.errors import ModelUnavailable, ModelUnknown
from llm_service.domain.backend import Model
from llm_service.domain.catalogue import Catalogue
from llm_service.domain.catalogue import Server as Written
from llm_service.domain.choice import Choice, Wishes
from llm_service.domain.served import Route, Served
from parley.llm.v1 import model_pb2
from tests.unit.llm.scripted import Scripted, route_to

URL = "http://127.0.0.1:11434"
LLAMA = Model("llama3.2:latest", "ollama", 4096)
TINY = Model("tiny:1b", "ollama", 2048)


class Server:
    """A model server that is there, or not."""

    name = "ollama"

    async def aclose(self) -> None:
        """Nothing to give back."""

    def __init__(self, *models: Model, away: bool = False, foreign: Exception | None = None) -> None:
        self.has, self.away, self.foreign = models, away, foreign

    async def models(self) -> tuple[Model, ...]:
        if self.foreign is not None:
            raise self.foreign
        if self.away:
            raise ModelUnavailable
        return self.has


def a_choice(server: Server, *, named: bool = False, default_model: str = "") -> Choice:
    served = route_to(server).served  # type: ignore[arg-type]  # all of a backend that a look uses
    served.kind, served.base_url, served.reachable = "ollama", URL, False
    echo = Route(route_to(Scripted(name="echo")).served, Model("echo", "echo", 32_768))
    wishes = Wishes(named=named, window_tokens=4096, recheck_seconds=5.0, default_model=default_model)
    catalogue = Catalogue(backends={"ollama": Written(kind="ollama", base_url=URL)})
    return Choice(catalogue, lambda _catalogue, _before: {"ollama": served}, echo=echo, wishes=wishes)


async def first(choice: Choice, name: str) -> tuple[str, Model]:
    """The backend and the model that are asked first."""
    route: Route = (await choice.chain(name))[0]
    served: Served = route.served
    return served.name, route.model


async def test_a_server_that_answers_is_used_with_its_first_model() -> None:
    choice = a_choice(Server(LLAMA, TINY))
    await choice.look()

    listing = await choice.listing()

    assert await first(choice, "") == ("ollama", LLAMA)
    assert (listing.default_model, listing.default_backend) == ("llama3.2:latest", "ollama")
    assert listing.note == f"Ollama at {URL} answers with llama3.2:latest."


@pytest.mark.parametrize("named", [False, True])
async def test_what_answers_and_is_no_ollama_is_said_to_be_none(named: bool) -> None:
    """OLLAMA_BASE_URL with /api or /v1 at its end: Ollama answers 404."""
    server = Server(LLAMA)
    server.foreign = ModelUnknown("no such path")
    choice = a_choice(server, named=named)
    await choice.look()
    assert "is no Ollama" in (await choice.listing()).note
    assert "has no model" not in (await choice.listing()).note
    server.foreign = None
    await choice.look()
    assert (await choice.listing()).note == f"Ollama at {URL} answers with llama3.2:latest."


async def test_a_window_that_nobody_said_is_known_to_be_a_guess() -> None:
    choice = a_choice(Server(replace(LLAMA, window_tokens=0), TINY))
    await choice.look()

    guessed, told = (await first(choice, LLAMA.name))[1], (await first(choice, TINY.name))[1]

    assert (guessed.window_tokens, guessed.is_guessed) == (4096, True)
    assert (told.window_tokens, told.is_guessed) == (2048, False)


async def test_echo_answers_when_nobody_named_a_server_and_none_is_found_and_the_note_says_how_to_change_that() -> None:
    choice = a_choice(Server(away=True))
    await choice.look()

    assert (await first(choice, ""))[0] == "echo"
    note = (await choice.listing()).note
    assert "echo" in note
    assert URL in note
    assert "OLLAMA_BASE_URL" in note


async def test_a_server_that_was_started_later_is_picked_up() -> None:
    server = Server(away=True)
    choice = a_choice(server)
    await choice.look()

    server.away, server.has = False, (LLAMA,)
    await choice.look()

    assert (await first(choice, ""))[1] == LLAMA


async def test_echo_never_stands_in_for_a_server_that_the_operator_named() -> None:
    choice = a_choice(Server(away=True), named=True)
    await choice.look()

    with pytest.raises(ModelUnavailable):
        await choice.chain("")
    listing = await choice.listing()
    assert listing.default_backend == "ollama"
    assert "fallback" in listing.note


async def test_echo_never_stands_in_for_a_server_that_answered_before() -> None:
    server = Server(LLAMA)
    choice = a_choice(server)
    await choice.look()

    server.away = True
    await choice.look()

    assert (await first(choice, ""))[1] == LLAMA
    listing = await choice.listing()
    assert [(row.route.model.name, row.state) for row in listing.rows] == [
        ("llama3.2:latest", model_pb2.MODEL_STATE_UNREACHABLE),
        ("echo", model_pb2.MODEL_STATE_READY),
    ]
    assert "does not answer" in listing.note


async def test_a_model_that_an_agent_names_is_never_answered_by_echo() -> None:
    choice = a_choice(Server(away=True))
    await choice.look()

    assert (await first(choice, "llama3.2"))[0] == "ollama"


async def test_a_name_without_a_tag_means_the_latest() -> None:
    choice = a_choice(Server(LLAMA, TINY), default_model="llama3.2")
    await choice.look()

    assert (await first(choice, ""))[1] == LLAMA
    assert (await first(choice, "tiny:1b"))[1] == TINY


async def test_an_unknown_model_is_refused_by_name() -> None:
    choice = a_choice(Server(LLAMA))
    await choice.look()

    with pytest.raises(ModelUnknown) as raised:
        await choice.chain("gpt-9")
    assert raised.value.metadata == {"model": "gpt-9"}


async def test_echo_can_be_asked_for_by_name_and_be_the_default_on_purpose() -> None:
    choice = a_choice(Server(LLAMA), named=True, default_model="echo")
    await choice.look()

    assert (await first(choice, ""))[0] == "echo"
    assert "DEFAULT_MODEL" in (await choice.listing()).note


async def test_a_default_model_that_the_server_does_not_have_is_said_in_the_note() -> None:
    choice = a_choice(Server(LLAMA), default_model="mistral")
    await choice.look()

    assert "ollama pull mistral" in (await choice.listing()).note
    with pytest.raises(ModelUnknown):
        await choice.chain("")


async def test_a_look_that_breaks_in_an_unforeseen_way_counts_as_away() -> None:
    choice = a_choice(Server(foreign=KeyError("surprise")))

    await choice.look()

    assert (await first(choice, ""))[0] == "echo"
