"""Is a wrong DATABASE_URL told at the start, by what is wrong with it and without its password?"""

from pathlib import Path

import pytest

from kit import settings
from storage_service import database_url
from storage_service.settings import Settings

FORM = "must be sqlite:///<path> or postgresql://user@host/name; empty is SQLite in DATA_DIR"
FILE = "must name a file: sqlite:///<path>, which is sqlite:////… for one from the root"
NO_QUESTION = "must name a file without a ?: SQLite's parameters are Parley's to set"
FOLDER = "the folder of the file is missing, or closed to this user: make it, or correct the path"
PORT = "has a port that is no number; in a password write @ : / ? # as %40 %3A %2F %3F %23"

SSL_MODE = "sslmode must be one of disable, allow, prefer, require, verify-ca, verify-full"
ROOT = "sslmode=verify-full needs sslrootcert: a file with certificates, or system for this machine's"
SYSTEM = "sslrootcert=system goes with sslmode=verify-full only"
NO_FILE = "the file of sslrootcert is missing, or closed to this user"
BESIDE = "sslrootcert=system goes without sslcert, sslkey, sslcrl; name a file of certificates instead"
BINDING = "channel_binding can only be disable or prefer here; sslmode=verify-full proves the server"

WRONG = {
    "mysql://user:hunter2@host/parley": FORM,
    "parley.db": FORM,
    "sqlite://parley.db": FORM,
    "sqlite:///": FILE,
    "sqlite:///:memory:": FILE,
    "sqlite:////": FILE,
    "sqlite:///parley.db?mode=ro": NO_QUESTION,
    "sqlite:////no/such/folder/parley.db": FOLDER,
    f"sqlite:////{'x' * 300}/parley.db": FOLDER,
    "postgresql://user:hunter2@host:five/parley": PORT,
    "postgresql://user:hun#ter2@host/parley": PORT,
    "postgresql://user:hunter2@[host/parley": PORT,
    "postgresql://user:hun@ter2@host/parley": PORT,
    "postgresql://user:12#hunter2@host/parley": PORT,
    "postgresql://user:12?hunter2@host/parley": PORT,
    "postgresql://user:12?hun=ter2@host/parley": PORT,
    "postgresql://user:12/hunter2@host/parley": PORT,
    "postgresql://user:hunter2@one:5432,two:five/parley": PORT,
    "postgresql://host/parley?ssl=true": "ssl is no parameter of Postgres; did you mean sslmode?",
    "postgresql://host/parley?sslmod=require": "sslmod is no parameter of Postgres; did you mean sslmode?",
    "postgresql://host/parley?pgbouncer=true": "pgbouncer is no parameter of Postgres",
    "postgresql://host/parley?sslmode=hunter2": SSL_MODE,
    "postgresql://host/parley?sslmode=verify-full": ROOT,
    "postgresql://host/parley?sslmode=verify-full&sslrootcert=/no/such.pem": NO_FILE,
    "postgresql://host/parley?sslmode=require&sslrootcert=system": SYSTEM,
    "postgresql://host/parley?sslrootcert=system&sslcert=/etc/hostname": BESIDE,
    "postgresql://host/parley?sslrootcert=": NO_FILE,
    "postgresql://host/parley?channel_binding=require": BINDING,
}
RIGHT = (
    "",
    "sqlite:///parley.db",
    "postgresql://host/parley",
    "postgres://user:hunter2@host:5432/parley?sslmode=require&channel_binding=prefer&connect_timeout=5",
    "postgresql://host/parley?user=me",
    "postgresql://me%40team:hunter2@host/parley?options=-c%20search_path%3Da@b",
    "postgresql://user@one:5432,two/parley?target_session_attrs=primary",
    "postgresql://user@host/parley?sslrootcert=system",
    "postgresql://user@host/parley?options=-c%20search_path%3Dchat",
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


DSNS = {
    "postgres://user:hun%23ter2@[::1]:5432/parley": "postgresql://user:hun%23ter2@[::1]:5432/parley",
    "postgresql:///parley?host=/run/postgresql": "postgresql:///parley?host=%2Frun%2Fpostgresql",
    "postgresql://host/parley?sslmode=require&connect_timeout=5&application_name=x&channel_binding=prefer": (
        "postgresql://host/parley?sslmode=require"
    ),
    "postgresql://host/parley?sslmode=verify-full&sslrootcert=system": "postgresql://host/parley?sslmode=verify-full",
    "postgresql://host/parley?options=-c%20search_path%3Dchat": (
        "postgresql://host/parley?options=-c+search_path%3Dchat"
    ),
}


@pytest.mark.parametrize("url", DSNS)
def test_the_driver_is_handed_what_it_knows(url: str) -> None:
    assert database_url.dsn(url) == DSNS[url]
