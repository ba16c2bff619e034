"""A browser on the page of a running gateway."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.suites.gateway.conftest import World, running

PATIENCE_MS = 30_000  # off the shelf five seconds, which a busy machine may take to draw a page
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest_asyncio.fixture(loop_scope="module")
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A gateway that answers."""
    async with running(tmp_path) as started:
        started.peer.answer = lambda text: f"You wrote: {text}"
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def _running_for_module(browser_path: str) -> AsyncIterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=browser_path, args=ARGUMENTS)
        yield started
        await started.close()


@pytest_asyncio.fixture(loop_scope="module")
async def browser(_running_for_module: Browser) -> AsyncIterator[Browser]:
    """One for all tests of a module, each of which finds it without a window, a cookie or a cache."""
    yield _running_for_module
    for left in list(_running_for_module.contexts):
        await left.close()


@asynccontextmanager
async def visiting(
    browser: Browser, world: World, *, width: int = 1280, height: int = 0, dark: bool = False, under: str = ""
) -> AsyncIterator[Page]:
    """A visitor's window. Anything that the page wants from another host, or that breaks in it, fails the test. `under`
    is the path at which a proxy puts the gateway; nothing beside it is the gateway's."""
    height = height or (820 if width > 640 else 780)
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        has_touch=width <= 640,
        locale="en-GB",
        device_scale_factor=2 if width <= 640 else 1,
    )
    page = await context.new_page()
    wrong: list[str] = []
    home = f"http://127.0.0.1:{world.port}/{under}"
    if under:
        await page.route(f"{home}**", lambda route: route.continue_(url=route.request.url.replace(under, "", 1)))
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("request", lambda asked: None if asked.url.startswith(home) else wrong.append(asked.url))
    page.on("console", lambda said: wrong.append(said.text) if "Security Policy" in said.text else None)
    await page.goto(home)
    yield page
    await context.close()
    assert not wrong


async def write(page: Page, text: str) -> None:
    await page.get_by_label("Your message").fill(text)
    await page.get_by_role("button", name="Send").click()


async def shoot(page: Page, name: str) -> None:
    """Keeps a picture when PARLEY_SHOTS names a folder: somebody should look at it."""
    folder = os.environ.get("PARLEY_SHOTS")
    if folder:
        await asyncio.sleep(0.4)
        await page.screenshot(path=Path(folder) / f"{name}.png")
