"""A browser on the console of a real mesh, which each file here has to itself."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.mesh.rig import ONE, Mesh, Plan, Storage
from tests.mesh.talk import Talk
from tests.mesh.world import World
from tests.stalls import PATIENCE_SECONDS

WAIT = 1000 * PATIENCE_SECONDS


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as around:
        yield around


@pytest.fixture(scope="module")
def mesh(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    folder: Path = tmp_path_factory.mktemp("console")
    with Mesh(Plan(folder, f"sqlite:///{folder / 'parley.db'}", (ONE,), world.environment())) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def storage(mesh: Mesh) -> AsyncIterator[Storage]:
    async with mesh.storage() as caller:
        yield caller


@pytest_asyncio.fixture(loop_scope="module")
async def talk(mesh: Mesh) -> AsyncIterator[Talk]:
    async with Talk(mesh) as everybody:
        yield everybody


@asynccontextmanager
async def watching(
    browser: Browser, mesh: Mesh, key: str, *, width: int = 1280, dark: bool = False, at: str = ""
) -> AsyncIterator[Page]:
    """The console, opened with a key. What it wants from another host, or what breaks in it, fails the test."""
    context = await browser.new_context(
        viewport={"width": width, "height": 860 if width > 640 else 780},
        color_scheme="dark" if dark else "light",
        has_touch=width <= 640,
        locale="en-GB",
    )
    page = await context.new_page()
    wrong: list[str] = []
    home = f"{mesh.base_url}/"
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("request", lambda sent: None if sent.url.startswith((home, "blob:")) else wrong.append(sent.url))
    page.on("console", lambda said: wrong.append(said.text) if "Security Policy" in said.text else None)
    await page.goto(f"{home}console{at}")
    await page.get_by_label("API key").fill(key)
    await page.get_by_role("button", name="Open").click()
    yield page
    await context.close()
    assert not wrong
