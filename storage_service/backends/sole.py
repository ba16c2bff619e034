"""How is an SQLite file kept to one storage? By a lock of the kernel's, which ends with its process, however that ends,
and counts in every container that has the folder. On a file beside it: who opens and closes SQLite's own takes away the
locks that SQLite holds there.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kit.settings import SettingsError
from storage_service.backends.engines import sqlite_path
from storage_service.database_url import is_postgres

if sys.platform != "win32":
    import fcntl

BESIDE = "-lock"


class Taken(SettingsError):
    """Another storage is at work on the file."""


class Sole:
    """Whether the file of this URL is ours alone."""

    def __init__(self, url: str) -> None:
        self._path = "" if is_postgres(url) else sqlite_path(url)
        self._lock: int | None = None

    def take(self) -> None:
        """Raises Taken where another has it. What keeps the lock from being made is left to SQLite to tell, which
        writes beside its file, too; a file system without locks cannot keep two apart."""
        if self._lock is not None or self._path in ("", ":memory:"):
            return
        with suppress(OSError):
            lock = os.open(os.path.realpath(self._path) + BESIDE, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                _lock(lock)
            except BlockingIOError:
                os.close(lock)
                raise Taken(
                    f"DATABASE_URL: {Path(self._path).resolve()}: another storage is at work on this file, which takes "
                    "one; stop that one, or name a Postgres, which takes several"
                ) from None
            self._lock = lock

    def give_back(self) -> None:
        """Leaves the file where it is: another may have opened it by now."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


@contextmanager
def alone(url: str) -> Iterator[Sole]:
    """What is taken within is given back at its end."""
    sole = Sole(url)
    try:
        yield sole
    finally:
        sole.give_back()


def _lock(descriptor: int) -> None:
    if sys.platform != "win32":
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
