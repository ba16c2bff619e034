"""Is a wrong DATABASE_URL told at the start, by what is wrong with it and without its password?"""

from pathlib import Path

import pytest

from kit import settings
from storage_service.settings import Settings

FORM = "must be sqlite:///<path> or postgresql://user@host/name; empty is SQLite in DATA_DIR"
FILE = "must name a file: sqlite:///<path>, which is sqlite:////… for one from the root"
FOLDER = "the folder of the file is missing, or closed to this user: make it, or correct the path"
PORT = "has a port that is no number; in a password write @ : / ? # as %40 %3A %2F %3F %23"

WRONG = {
    "mysql://user:hunter2@host/parley": FORM,
    "parley.db": FORM,
    "sqlite://parley.db": FORM,
    "sqlite:///": FILE,
    "sqlite:///:memory:": FILE,
    "sqlite:////": FILE,
    "sqlite:////no/such/folder/parley.db": FOLDER,
    f"sqlite:////{'x' * 300}/parley.db": FOLDER,
    "postgresql://user:hunter2@host:five/parley": PORT,
    "postgresql://user:hun#ter2@host/parley": PORT,
    "postgresql://user:hunter2@[host/parley": PORT,
}
RIGHT = (
    "",
    "sqlite:///parley.db",
    "postgresql://host/parley",
    "postgres://user:hunter2@host:5432/parley?ssl=require",
    "postgresql:///parley?host=/run/postgresql",
    "postgresql://user:hun%23ter2@[::1]:5432/parley",
)


def loaded(url: str, folder: Path) -> Settings:
    return settings.load(Settings, environ={"DATABASE_URL": url}, env_file=folder / ".env")


@pytest.mark.parametrize("url", WRONG)
def test_a_wrong_database_is_told_by_what_is_wrong_with_it(url: str, tmp_path: Path) -> None:
    with pytest.raises(settings.SettingsError) as raised:
        loaded(url, tmp_path)
    assert str(raised.value) == f"DATABASE_URL (environment): {WRONG[url]}"


@pytest.mark.parametrize("url", RIGHT)
def test_a_right_one_is_taken_as_it_is(url: str, tmp_path: Path) -> None:
    assert loaded(url, tmp_path).database_url == url


def test_a_file_in_a_folder_that_is_there_is_taken(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/parley.db"
    assert loaded(url, tmp_path).database_url == url
