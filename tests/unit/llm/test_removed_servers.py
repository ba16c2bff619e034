"""When is a server that models.toml names no more let go?"""

from llm_service.domain import catalogue
from llm_service.domain.choice import LEFT_SECONDS
from tests.unit.llm.worlds import Listing, World, looked

BOTH = '[backends.a]\nkind = "openai"\n[backends.b]\nkind = "openai"\n'
ONE = '[backends.a]\nkind = "openai"\n'


async def followed(world: World, text: str = ONE) -> None:
    """The choice follows another catalogue, and looks."""
    world.choice.follow(catalogue.read(text, file="models.toml"), written="models.toml")
    await world.choice.look()


async def test_a_removed_server_keeps_its_connections_while_a_call_may_still_come_back_to_it() -> None:
    world = await looked(BOTH, {"a": Listing("x"), "b": Listing("y")})

    await followed(world)
    world.clock.now += LEFT_SECONDS - 1
    await world.choice.look()
    assert world.servers["b"].closed == 0

    world.clock.now += 1
    await world.choice.look()
    await world.choice.look()
    assert (world.servers["a"].closed, world.servers["b"].closed) == (0, 1)


async def test_a_removed_server_with_a_call_under_way_is_not_closed() -> None:
    world = await looked(BOTH, {"a": Listing("x"), "b": Listing("y")})
    (route,) = await world.choice.chain("y")

    async with route.served.bulkhead.place(until=float("inf")):
        await followed(world)
        world.clock.now += 10 * LEFT_SECONDS
        await world.choice.look()
        assert world.servers["b"].closed == 0

    await world.choice.look()
    assert world.servers["b"].closed == 1


async def test_a_removed_server_offers_nothing_any_more() -> None:
    world = await looked(BOTH, {"a": Listing("x"), "b": Listing("y")})

    await followed(world)

    assert set(await world.states()) == {"x", "echo"}


async def test_a_server_that_fails_to_close_ends_nothing() -> None:
    text = BOTH + '[backends.c]\nkind = "openai"\n'
    broken = Listing(closing=RuntimeError("no"))
    world = await looked(text, {"a": Listing("x"), "b": broken, "c": Listing()})
    await followed(world)

    world.clock.now += LEFT_SECONDS
    await world.choice.look()

    assert (broken.closed, world.servers["c"].closed) == (1, 1)


async def test_all_servers_are_closed_at_the_end_the_removed_ones_too() -> None:
    world = await looked(BOTH, {"a": Listing("x", closing=RuntimeError("no")), "b": Listing("y")})
    await followed(world)

    await world.choice.aclose()

    assert (world.servers["a"].closed, world.servers["b"].closed) == (1, 1)
