"""What every test may ask for: a real Postgres, a folder, a browser. Nothing here is ever skipped."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from kit import logs
from tests import postgres

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
NO_BROWSER = "No browser for the tests of the web chat. Debian, Ubuntu: apt-get install chromium"


def pytest_configure() -> None:
    """structlog off the shelf draws every error with the locals of all its frames, which takes a second each.

    And Hypothesis fails an example that takes 200 ms, or is drawn slowly: a busy machine is no fault of what is tested.
    """
    structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback
    settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def _nobody_elses_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A test sees neither the developer's environment nor a .env file, and writes its data to a folder of its own."""
    for name in _names_that_are_settings():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))


@pytest.fixture(scope="module", autouse=True)
def _nobody_elses_logs() -> Iterator[None]:
    """How a module's tests log ends with it: by then, where they logged to is closed, and a line to there raises."""
    yield
    structlog.reset_defaults()
    logs.rebind()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """One server for the whole run: `postgres_server.fresh(prepare)` gives a database made from a prepared template."""
    with postgres.any_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: postgres.Server) -> Iterator[str]:
    """An empty database for one test."""
    url = postgres_server.fresh()
    yield url
    postgres_server.drop(url)


@pytest.fixture(scope="session")
def browser_path() -> str:
    """The browser that playwright drives."""
    found = [path for name in BROWSERS if (path := shutil.which(name))]
    assert found, NO_BROWSER
    return found[0]


def _names_that_are_settings() -> list[str]:
    example = Path(__file__).parent.parent / ".env.example"
    lines = example.read_text().splitlines() if example.exists() else []
    return [line.lstrip("# ").partition("=")[0] for line in lines if "=" in line]
