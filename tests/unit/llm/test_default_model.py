"""Which model answers when nobody names one, and what is a person told about it?"""

from datetime import timedelta

import pytest

from kit.errors import ModelRefused, ModelUnavailable, ModelUnknown
from parley.llm.v1 import model_pb2
from tests.unit.llm.worlds import Listing, World, looked

WRITTEN = """
default = "two"
[backends.a]
kind = "openai"
[models.one]
backend = "a"
[models.two]
backend = "a"
[models.three]
backend = "a"
"""
UNWRITTEN = '[backends.openai]\nkind = "openai"\n'
OLLAMA = '[backends.ollama]\nkind = "ollama"\nbase_url = "http://o"\n'


async def a_plain(*models: str, default_model: str = "", failure: Exception | None = None) -> World:
    """A server of OpenAI's protocol that was named, without models.toml."""
    server = Listing(*models, failure=failure)
    return await looked(UNWRITTEN, {"openai": server}, default_model=default_model, named=True, written="")


async def test_default_model_comes_before_the_default_of_the_file_and_that_before_its_first_model() -> None:
    servers = {"a": Listing("one", "two", "three")}

    assert await (await looked(WRITTEN, servers, default_model="three")).first() == ("a", "three")
    assert await (await looked(WRITTEN, servers)).first() == ("a", "two")
    assert await (await looked(WRITTEN.replace('default = "two"', ""), servers)).first() == ("a", "one")


async def test_the_note_names_what_chose_the_default() -> None:
    servers = {"a": Listing("one", "two")}

    by_file = await (await looked(WRITTEN, servers)).note()
    by_setting = await (await looked(WRITTEN, servers, default_model="three")).note()

    assert by_file == "The server at http://a answers with two, as models.toml says."
    assert by_setting == "The server at http://a has no 'three' (DEFAULT_MODEL)."


async def test_a_default_that_its_server_does_not_have_is_said_with_what_chose_it() -> None:
    world = await looked(WRITTEN, {"a": Listing("one")})

    assert await world.note() == "The server at http://a has no 'two' (models.toml)."


async def test_the_one_model_of_a_server_is_the_default() -> None:
    world = await a_plain("only")

    assert await world.first() == ("openai", "only")
    assert await world.note() == "The server at http://openai answers with only."


async def test_the_default_is_a_model_that_can_chat_where_ollama_lists_one() -> None:
    both = await looked(OLLAMA, {"ollama": Listing("nomic-embed-text", "llama3.2")}, written="")
    named = await looked(OLLAMA, {"ollama": Listing("nomic-embed-text")}, named=True, written="")
    unnamed = await looked(OLLAMA, {"ollama": Listing("nomic-embed-text")}, written="")

    assert await both.first() == ("ollama", "llama3.2")
    assert await both.first("nomic-embed-text") == ("ollama", "nomic-embed-text")
    with pytest.raises(ModelUnavailable, match="has no model to talk to: run `ollama pull"):
        await named.choice.chain("")
    assert await unnamed.first() == ("echo", "echo")


async def test_one_of_several_models_has_to_be_named() -> None:
    world = await a_plain("a", "b")

    with pytest.raises(ModelUnavailable, match="set DEFAULT_MODEL to one"):
        await world.choice.chain("")
    assert await world.note() == (
        "The server at http://openai has several models: set DEFAULT_MODEL to one. People get the fallback text."
    )
    assert await (await a_plain("a", "b", default_model="b")).first() == ("openai", "b")


async def test_a_server_that_lists_nothing_is_asked_for_the_default_all_the_same() -> None:
    world = await a_plain(default_model="hidden", failure=ModelUnknown())

    assert await world.first() == ("openai", "hidden")
    assert await world.note() == "The server at http://openai has no /models: does OPENAI_BASE_URL end in /v1?"
    assert await world.states() == {"hidden": model_pb2.MODEL_STATE_READY, "echo": model_pb2.MODEL_STATE_READY}

    health = (await world.choice.chain(""))[0].health
    health.failed(ModelUnknown("The model server answered 404."))
    assert (await world.note()).endswith(" The last call failed: The model server answered 404. (MODEL_UNKNOWN)")
    health.answered()
    assert await world.note() == "The server at http://openai answers with hidden."


async def test_a_server_that_lists_nothing_and_whose_model_nobody_named_says_so() -> None:
    world = await a_plain(failure=ModelUnknown())

    with pytest.raises(ModelUnavailable, match=r"does OPENAI_BASE_URL end in /v1\? Set DEFAULT_MODEL to a model"):
        await world.choice.chain("")
    assert await world.states() == {"echo": model_pb2.MODEL_STATE_READY}


async def test_a_default_whose_calls_fail_or_that_is_left_alone_is_not_said_to_answer() -> None:
    world = await a_plain("only")
    health = (await world.choice.chain(""))[0].health

    health.failed(ModelRefused("The model server answered 402."))
    failing = await world.note()
    health.rest(timedelta(minutes=30))
    resting = await world.note()
    world.clock.now += 1800
    health.answered()

    assert "failure: The model server answered 402. (MODEL_REFUSED)" in failing
    assert "asked to be left alone with only" in resting
    assert await world.note() == "The server at http://openai answers with only."


@pytest.mark.parametrize("default_model", ["", "m"])
async def test_a_server_that_refuses_our_key_is_said_in_the_note_until_it_takes_it(default_model: str) -> None:
    refusal = "The model server refuses our key (401): set the one it was given."
    world = await a_plain("m", default_model=default_model, failure=ModelRefused(refusal, metadata={"refused": "key"}))

    assert await world.note() == f"The server at http://openai: {refusal} People get the fallback text."

    world.servers["openai"].failure = None
    await world.choice.look()
    assert await world.note() == "The server at http://openai answers with m."


async def test_a_key_that_may_not_list_models_may_answer_all_the_same_as_a_call_shows() -> None:
    forbidden = ModelRefused("The model server refuses our key (403).", metadata={"refused": "right"})
    world = await a_plain(default_model="hidden", failure=forbidden)
    before, states = await world.note(), await world.states()
    health = (await world.choice.chain(""))[0].health
    health.failed(ModelRefused("The model server refuses our key (403)."))
    failed = await world.note()
    health.answered()

    said = "The server at http://openai does not let our key list its models: only a call can say whether it answers."
    assert (before, states["hidden"]) == (said, model_pb2.MODEL_STATE_READY)
    assert failed == f"{said} The last call failed: The model server refuses our key (403). (MODEL_REFUSED)"
    assert await world.note() == "The server at http://openai answers with hidden."
    assert "Set DEFAULT_MODEL" in await (await a_plain(failure=forbidden)).note()


async def test_an_ollama_that_refuses_us_lists_nothing_to_anybody() -> None:
    forbidden = ModelRefused("The model server refuses our key (403).", metadata={"refused": "right"})
    world = await looked(OLLAMA, {"ollama": Listing(failure=forbidden)}, named=True, written="")

    assert await world.note() == (
        "Ollama at http://o: The model server refuses our key (403). People get the fallback text."
    )


async def test_a_server_that_is_away_is_said_in_the_note() -> None:
    world = await a_plain(failure=ModelUnavailable())

    assert await world.note() == (
        "The model server at http://openai does not answer: people get the fallback text until it does."
    )


async def test_where_another_model_stands_in_the_note_says_so() -> None:
    text = """
[backends.a]
kind = "openai"
[models.first]
backend = "a"
fallbacks = ["echo"]
"""
    world = await looked(text, {"a": Listing(failure=ModelUnavailable())})

    assert await world.note() == "The model server at http://a does not answer: its fallbacks answer until it does."


async def test_an_ollama_without_a_model_is_told_how_to_get_one() -> None:
    world = await looked(OLLAMA, {"ollama": Listing()}, named=True, written="")

    assert "ollama pull llama3.2" in await world.note()
    with pytest.raises(ModelUnavailable):
        await world.choice.chain("")


async def test_the_first_model_of_ollama_is_the_default_beside_a_server_with_several() -> None:
    world = await looked(
        UNWRITTEN + OLLAMA, {"openai": Listing("a", "b"), "ollama": Listing("c", "d")}, named=True, written=""
    )

    assert await world.first() == ("ollama", "c")


async def test_echo_answers_by_its_name_beside_a_server_that_was_named() -> None:
    world = await a_plain("only")

    assert await world.first("echo") == ("echo", "echo")


async def test_echo_is_the_default_when_the_file_says_so_and_the_note_says_who_asked() -> None:
    text = WRITTEN.replace('"two"', '"echo"')

    world = await looked(text, {"a": Listing("one")})

    assert await world.first() == ("echo", "echo")
    assert (await world.note()).startswith("Echo answers, as models.toml asks")
    by_setting = await looked(WRITTEN, {"a": Listing("one")}, default_model="echo")
    assert (await by_setting.note()).startswith("Echo answers, as DEFAULT_MODEL asks")


async def test_echo_stands_in_for_a_default_of_a_server_that_nobody_named_and_nobody_found() -> None:
    world = await looked(OLLAMA, {"ollama": Listing(failure=ModelUnavailable())}, default_model="llama3.2", written="")

    assert await world.first() == ("echo", "echo")
    assert (await world.note()).startswith("No model server answers at http://o, so echo answers")


async def test_echo_never_stands_in_when_there_is_a_file() -> None:
    world = await looked(OLLAMA, {"ollama": Listing(failure=ModelUnavailable())})

    with pytest.raises(ModelUnavailable):
        await world.choice.chain("")


async def test_a_fetch_without_a_backend_goes_to_the_first_that_can() -> None:
    world = await looked(UNWRITTEN + OLLAMA, {"openai": Listing("a"), "ollama": Listing("c")}, written="")

    assert (await world.choice.served("")).name == "ollama"
    assert (await world.choice.served("openai")).name == "openai"
    with pytest.raises(ModelUnknown):
        await world.choice.served("nowhere")
