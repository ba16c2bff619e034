"""Is a changed models.toml followed, and a wrong one never?"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from kit import metrics
from kit.lifetime import Lifetime
from llm_service.backends.models_file import ModelsFile
from llm_service.domain.catalogue import CatalogueError
from llm_service.domain.served import Route
from llm_service.domain.watching import stopping_or_fault, watch
from tests.stalls import PATIENCE_SECONDS
from tests.unit.llm.worlds import Listing, World

ONE = '[backends.a]\nkind = "openai"\n[models.one]\nbackend = "a"\n'
TWO = ONE + '[models.two]\nbackend = "a"\n'
WRONG = ONE + '[models.two]\nbackend = "nowhere"\n'

# A hyphen as word processors write it, what no name may hold, and numbers that are no address.
NO_HOSTS = ("gpu\u2010box:8000/v1", "gp\u00fc_x/v1", "999.0.0.1/v1")


class Over(Exception):
    """The watch has looked as often as the test wants."""


def after_each(*steps: Callable[[], object]) -> Callable[[float], Awaitable[None]]:
    """A sleep that does the next step instead, and ends the watch after the last one."""
    left = list(steps)

    async def sleep(_seconds: float) -> None:
        if not left:
            raise Over
        left.pop(0)()

    return sleep


def written(path: Path, text: str) -> None:
    """Another file under the same name, as editors and Kubernetes do it."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, path)


async def watched(path: Path, *steps: Callable[[], object]) -> World:
    """A world whose models.toml goes through the steps, one after each look."""
    file = ModelsFile(path, required=False)
    path.write_text(ONE)
    world = World(ONE, {"a": Listing(), "b": Listing()})
    file.read()
    with pytest.raises(Over):
        await watch(world.choice, file, every_seconds=1, sleep=after_each(*steps))
    return world


def reloads(result: str) -> float:
    """How often the metric says that a reload ended so."""
    found: float = metrics.llm_reloads.labels(result=result)._value.get()
    return found


async def test_a_changed_file_is_followed_at_the_next_look(tmp_path: Path) -> None:
    path, before = tmp_path / "models.toml", reloads("followed")

    world = await watched(path, lambda: written(path, TWO))

    assert await world.first("two") == ("a", "two")
    assert reloads("followed") == before + 1


async def test_a_file_changed_in_place_is_followed_too(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"

    world = await watched(path, lambda: path.write_text(TWO))

    assert await world.first("two") == ("a", "two")


async def test_a_file_may_begin_with_the_mark_of_windows(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"

    world = await watched(path, lambda: path.write_text(TWO, encoding="utf-8-sig"))

    assert await world.first("two") == ("a", "two")


async def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    before = reloads("followed")

    await watched(tmp_path / "models.toml", lambda: None, lambda: None)

    assert reloads("followed") == before


async def test_a_wrong_file_changes_nothing_and_is_logged_and_counted_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, before = tmp_path / "models.toml", reloads("refused")

    world = await watched(path, lambda: written(path, WRONG), lambda: None, lambda: None)

    assert set(await world.states()) == {"one", "echo"}
    assert reloads("refused") == before + 1
    said = "".join(capfd.readouterr())
    assert said.count("llm.models_refused") == 1
    assert "models.two.backend: there is no backend 'nowhere'" in said


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5000,
        "a = " + "9" * 5000,
        *(f'[backends.a]\nkind="openai"\nbase_url="http://{host}"' for host in ("h:x", *NO_HOSTS)),
    ],
)
async def test_no_file_however_wrong_ends_the_looking(tmp_path: Path, text: str) -> None:
    path = tmp_path / "models.toml"

    world = await watched(path, lambda: written(path, text), lambda: written(path, TWO))

    assert "two" in await world.states()


@pytest.mark.parametrize("host", NO_HOSTS)
async def test_an_address_that_no_connection_can_be_made_to_is_refused_by_its_key(tmp_path: Path, host: str) -> None:
    path = tmp_path / "models.toml"
    path.write_text(f'[backends.gpu]\nkind = "openai"\nbase_url = "http://{host}"\n')

    with pytest.raises(CatalogueError) as raised:
        ModelsFile(path, required=False).read()

    assert str(raised.value) == "models.toml: backends.gpu.base_url: its host or its port is none"


async def test_a_name_in_other_letters_is_a_host(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text('[backends.gpu]\nkind = "openai"\nbase_url = "http://m\u00fcnchen.example/v1"\n')

    assert ModelsFile(path, required=False).read().backends["gpu"].base_url == "http://m\u00fcnchen.example/v1"


async def test_a_fault_that_ends_the_looking_ends_the_service_too() -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    looking = asyncio.create_task(broken())
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(ZeroDivisionError):
            await stopping_or_fault(Lifetime().wait_stopping(), looking)


async def test_looking_keeps_no_service_from_stopping() -> None:
    lifetime = Lifetime()
    looking = asyncio.create_task(asyncio.Event().wait())
    lifetime.stop()

    async with asyncio.timeout(PATIENCE_SECONDS):
        await stopping_or_fault(lifetime.wait_stopping(), looking)  # type: ignore[arg-type]  # what it ends with is unread

    assert not looking.done()
    looking.cancel()


async def test_a_wrong_file_that_is_mended_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"

    world = await watched(path, lambda: written(path, WRONG), lambda: written(path, TWO))

    assert "two" in await world.states()


async def test_a_file_that_is_gone_for_a_moment_changes_nothing(tmp_path: Path) -> None:
    path, refused = tmp_path / "models.toml", reloads("refused")

    world = await watched(path, path.unlink, lambda: None)
    assert set(await world.states()) == {"one", "echo"}
    assert reloads("refused") == refused

    world = await watched(path, path.unlink, lambda: written(path, TWO))
    assert "two" in await world.states()


async def test_a_file_that_cannot_be_read_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_bytes(b"default = '\xff'")

    with pytest.raises(CatalogueError) as raised:
        ModelsFile(path, required=False).read()
    assert str(raised.value) == f"{path}: cannot be read (UnicodeDecodeError)"

    with pytest.raises(CatalogueError, match="cannot be read"):
        ModelsFile(tmp_path, required=True).read()


async def test_a_named_file_that_vanished_between_the_look_and_the_reading_is_refused(tmp_path: Path) -> None:
    file = ModelsFile(tmp_path / "models.toml", required=True)

    with pytest.raises(CatalogueError, match="MODELS_FILE: there is no file"):
        file.read()
    assert not file.changed()


async def test_a_server_that_stays_is_the_same_one_with_its_state_after_a_reload(tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    file = ModelsFile(path, required=False)
    path.write_text(ONE)
    world = World(ONE, {"a": Listing("x")})
    before = (await watched_once(world, file)).health
    for _ in range(3):
        before.breaker.enter().failed()

    written(path, TWO)
    after = (await watched_once(world, file)).health

    assert after is before
    assert after.breaker.paused_seconds == 300


async def watched_once(world: World, file: ModelsFile) -> Route:
    """The route of a model after one more look."""
    with pytest.raises(Over):
        await watch(world.choice, file, every_seconds=1, sleep=after_each())
    return (await world.choice.chain("one"))[0]
