"""How does a test get the whole mesh as a person gets it? `parley up`, a real process, on free ports, in a folder."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.simulated.wire import free_port
from tests.stalls import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = PATIENCE_SECONDS
SERVICES = ("storage", "agent", "llm", "sender")


@dataclass(frozen=True)
class Mesh:
    """Where it is, and the parley command beside it."""

    folder: Path
    http_port: int
    environment: Mapping[str, str]
    process: "subprocess.Popen[bytes]" = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.http_port}"

    @property
    def agent_address(self) -> str:
        return self.environment["AGENT_ADDRESS"]

    @property
    def storage_address(self) -> str:
        return self.environment["STORAGE_ADDRESS"]

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def run(self, *words: str, stdin: str = "", **settings: str) -> "subprocess.CompletedProcess[str]":
        """Runs `parley …`, with some settings other than the mesh has."""
        command = [sys.executable, "-m", "kit.command", *words]
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **settings},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def command(self, *words: str, stdin: str = "") -> str:
        """Runs `parley …`, which must succeed; gives what it printed."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, f"parley {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def get(self, path: str) -> int:
        """The status of a GET at the gateway; 0 when nobody listens."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=PATIENCE_SECONDS) as answer:
                status: int = answer.status
                return status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def wait_until(self, holds: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> None:
        """While the mesh runs."""

        def still_holds() -> bool:
            assert self.process.poll() is None, f"parley up ended: {self.log[-3000:]}"
            return holds()

        self.wait_for(still_holds, seconds=seconds)

    def wait_for(self, holds: Callable[[], bool], *, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"did not come true in {seconds} s; the log: {self.log[-3000:]}"
            time.sleep(0.05)


@contextmanager
def running_mesh(folder: Path, *options: str, **settings: str) -> Iterator[Mesh]:
    """Runs `parley up` until the block ends, then asks it to drain, which it must do in time; or the test killed it."""
    ports = [free_port() for _ in range(len(SERVICES) + 1)]
    addresses = {f"{name.upper()}_ADDRESS": f"127.0.0.1:{port}" for name, port in zip(SERVICES, ports[1:], strict=True)}
    environment = bare_environment(folder) | addresses | {"HTTP_PORT": str(ports[0])} | settings
    command = [sys.executable, "-m", "kit.command", "up", *options]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    mesh = Mesh(folder, int(environment["HTTP_PORT"]), environment, process)
    try:
        mesh.wait_until(lambda: mesh.get("/readyz") == 200, seconds=READY_SECONDS)
        yield mesh
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=PATIENCE_SECONDS) == 0, mesh.log[-3000:]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def bare_environment(folder: Path) -> dict[str, str]:
    """What a process needs to run at all, and an echo in place of whatever model this machine has."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "DATA_DIR": str(folder / "data"),
        "DEFAULT_MODEL": "echo",
    }
