"""What is said of each model, and who stands in for which?"""

from contextlib import suppress
from datetime import timedelta

import pytest

from kit import metrics
from kit.errors import ModelEmpty, ModelRefused, ModelUnavailable, ModelUnknown
from llm_service.domain import replies
from llm_service.domain.choice import Row
from llm_service.domain.record import Record
from llm_service.domain.served import Route
from llm_service.domain.tokens import Estimate
from parley.llm.v1 import model_pb2, prompt_pb2
from tests.unit.llm.scripted import Scripted, calls_through, route_to
from tests.unit.llm.worlds import Listing, World, looked

READY, MISSING = model_pb2.MODEL_STATE_READY, model_pb2.MODEL_STATE_MISSING
UNREACHABLE = model_pb2.MODEL_STATE_UNREACHABLE
PAUSED, PROBED = model_pb2.MODEL_STATE_PAUSED, model_pb2.MODEL_STATE_PROBED

WRITTEN = """
[backends.a]
kind = "openai"
[backends.b]
kind = "ollama"
base_url = "http://b"
offers_all = false
[models.one]
backend = "a"
name = "one-2031"
fallbacks = ["gone", "two", "found", "echo"]
[models.two]
backend = "b"
"""


async def a_world(*, a: Listing | None = None, b: Listing | None = None) -> World:
    """Where the first server also offers what is not written down, and the second does not."""
    a, b = a or Listing("one-2031", "found"), b or Listing("two:latest", "hidden")
    return await looked(WRITTEN, {"a": a, "b": b})


async def listed(world: World, name: str) -> model_pb2.Model:
    """As ListModels says it."""
    (row,) = [row for row in (await world.choice.listing()).rows if row.route.model.name == name]
    return replies.model(row, Estimate())


async def test_models_of_the_file_and_of_the_servers_are_listed_by_name_and_hidden_ones_are_not() -> None:
    world = await a_world()

    assert await world.states() == {"one": READY, "two": READY, "found": READY, "one-2031": READY, "echo": READY}
    names = [row.route.model.name for row in (await world.choice.listing()).rows if row.route.model.name != "echo"]
    assert names == sorted(names)


async def test_a_hidden_model_is_unknown_to_who_names_it() -> None:
    with pytest.raises(ModelUnknown):
        await (await a_world()).choice.chain("hidden")


async def test_a_model_that_its_server_does_not_list_is_missing_and_not_available() -> None:
    world = await a_world(b=Listing("other"))

    assert (await world.states())["two"] == MISSING
    assert not (await listed(world, "two")).available


async def test_a_server_that_lists_nothing_has_no_missing_models() -> None:
    assert (await (await a_world(a=Listing(failure=ModelUnknown()))).states())["one"] == READY


async def test_a_model_of_a_server_that_went_away_is_unreachable_and_stays_known() -> None:
    world = await a_world()

    world.servers["a"].failure = ModelUnavailable()
    await world.choice.look()

    states = await world.states()
    assert (states["one"], states["found"], states["two"]) == (UNREACHABLE, UNREACHABLE, READY)
    assert await world.first("one") == ("a", "one")


async def test_a_model_that_failed_three_times_is_paused_then_probed_then_ready_and_its_neighbour_is_not() -> None:
    world = await a_world()
    breaker = (await world.choice.chain("one"))[0].health.breaker
    for _ in range(3):
        breaker.enter().failed()
    paused = await listed(world, "one")

    world.clock.now += 300
    probe = breaker.enter()
    probed = await listed(world, "one")
    probe.succeeded()
    ready = await listed(world, "one")

    assert (paused.state, paused.available, paused.paused_for.ToTimedelta()) == (PAUSED, False, timedelta(seconds=300))
    assert (probed.state, probed.available, probed.HasField("paused_for")) == (PROBED, True, False)
    assert (ready.state, ready.available) == (READY, True)
    assert (await world.states())["found"] == READY


async def test_a_model_that_nobody_asks_again_is_not_shown_as_left_alone_for_ever() -> None:
    world = await a_world()
    route = (await world.choice.chain("one"))[0]
    shown = metrics.llm_breaker_state.labels(backend=route.served.name, model=route.model.called)
    for _ in range(3):
        route.health.breaker.enter().failed()
    world.clock.now += 299
    await world.choice.look()
    open_yet = shown._value.get()
    world.clock.now += 1
    await world.choice.look()
    assert (open_yet, shown._value.get()) == (2, 1)

    route.health.breaker.enter().failed()
    await world.choice.look()
    assert shown._value.get() == 2


async def test_a_model_that_its_server_wants_left_alone_is_resting_for_as_long() -> None:
    world = await a_world()
    (await world.choice.chain("one"))[0].health.rest(timedelta(minutes=30))
    resting = await listed(world, "one")

    world.clock.now += 1800

    assert (resting.state, resting.available) == (model_pb2.MODEL_STATE_RESTING, False)
    assert resting.paused_for.ToTimedelta() == timedelta(minutes=30)
    assert (await listed(world, "one")).state == READY


async def test_why_the_last_call_failed_is_listed_until_one_succeeds() -> None:
    world = await a_world()
    route = (await world.choice.chain("one"))[0]
    route = Route(route_to(Scripted(ModelRefused("No credit."), ModelEmpty(), "yes")).served, route.model)
    calls, seen = calls_through(route), list[str]()

    for _ in range(3):
        with suppress(ModelRefused, ModelEmpty):
            await calls.generate(prompt_pb2.Prompt(), Record(), seconds=60)
        seen.append(replies.model(Row(route, READY), Estimate()).last_failure.message)

    assert seen == ["No credit.", "No credit.", ""]


async def test_a_listed_model_has_its_terms() -> None:
    world = await looked(
        WRITTEN.replace('name = "one-2031"', "window_tokens = 999\ninput_price = 0.5\noutput_price = 2"),
        {"a": Listing("one"), "b": Listing("two")},
    )

    one, two = await listed(world, "one"), await listed(world, "two")

    assert (one.backend, one.window_tokens, one.characters_per_token) == ("a", 999, 4.0)
    assert (one.input_price_micros, one.output_price_micros) == (500_000, 2_000_000)
    assert list(one.fallbacks) == ["gone", "two", "found", "echo"]
    assert two.window_tokens == 2048  # as its server says


async def test_those_after_a_model_are_asked_in_order_without_the_unknown_ones_and_echo_where_it_is_named() -> None:
    chain = await (await a_world()).choice.chain("one")

    assert [(route.served.name, route.model.name) for route in chain] == [
        ("a", "one"),
        ("b", "two"),
        ("a", "found"),
        ("echo", "echo"),
    ]


async def test_an_unknown_fallback_is_asked_of_a_server_that_was_never_seen() -> None:
    world = await a_world(a=Listing(failure=ModelUnavailable()))

    chain = await world.choice.chain("one")

    assert [route.model.name for route in chain] == ["one", "gone", "two", "found", "echo"]
    assert {route.served.name for route in chain[1:4:2]} == {"a"}


async def test_a_model_of_echo_under_another_name_is_ready() -> None:
    text = '[backends.e]\nkind = "echo"\n[models.bot]\nbackend = "e"\n'

    world = await looked(text, {"e": Listing("echo")})

    assert (await world.states())["bot"] == READY
    assert "answers with bot, as models.toml says" in await world.note()
