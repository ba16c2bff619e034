"""Who takes over when a Postgres is gone for good? A standby of it, fed by streaming, that is promoted."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.postgres import APART, Cluster, as_user

SLOT = "standby"


class Standby(Cluster):
    """Begins as a copy of a running server, and follows it. Reads only, until it is promoted."""

    def __init__(self, primary: Cluster) -> None:
        self._primary = primary
        super().__init__(fsync=True)

    def promote(self) -> None:
        """Takes writes from now on."""
        self.execute("SELECT pg_promote(true, 30)")

    def _initialise(self) -> None:
        self._give_folders_away()
        command = [*as_user(self._account), f"{self._bin}/pg_basebackup", "-D", f"{self._data}", "-U", "parley"]
        command += ["-h", "127.0.0.1", "-p", f"{self._primary.port}", "-R", "-C", "-S", SLOT, "--checkpoint=fast"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, **APART)
        assert done.returncode == 0, f"pg_basebackup failed: {done.stderr}"


@contextmanager
def pair() -> Iterator[tuple[Cluster, Standby]]:
    """A server and its standby. What is committed on the first is on the second, too: a failover loses nothing."""
    with Cluster(fsync=True) as primary, Standby(primary) as standby:
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.execute("SELECT pg_reload_conf()")
        yield primary, standby
