"""Does a process start, say when it is ready, show its metrics, and stop when told?"""

import asyncio
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from kit import metrics
from kit.lifetime import Lifetime
from kit.monitoring import Monitoring
from kit.settings import SettingsError
from tests.simulated.wire import free_port
from tests.stalls import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]

SERVICE = """
import gc
gc.disable()  # as parley serve has it while it imports
import sys
from kit import process
from kit.settings import Settings

async def serve(settings, lifetime):
    lifetime.ready("storage")
    print("ready" if gc.isenabled() else "no garbage is collected", flush=True)
    await lifetime.wait_stopping()
    print("drained", flush=True)

process.run("storage", Settings, serve=serve)
"""


def started(folder: Path, **environ: str) -> "subprocess.Popen[str]":
    """The service above in a process of its own."""
    world = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'gen/python'}", **environ}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", SERVICE], cwd=folder, env=world, text=True, **pipes)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_the_service(tmp_path: Path, how: signal.Signals) -> None:
    process = started(tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(how)
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert (out, err, process.returncode) == ("drained\n", "", 0)


def test_a_wrong_setting_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    process = started(tmp_path, LOG_FORMAT="canary")
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert err == "parley storage: LOG_FORMAT (environment): Input should be 'json' or 'console'\n"
    assert (out, process.returncode) == ("", 2)


async def fetched(port: int, path: str) -> tuple[int, str]:
    """What an HTTP client gets."""

    def fetch() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_SECONDS) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return await asyncio.to_thread(fetch)


async def monitored(lifetime: Lifetime) -> tuple[Monitoring, int]:
    """The endpoint on a free port."""
    port = free_port()
    monitoring = Monitoring(lifetime, "storage")
    assert await monitoring.start("127.0.0.1", port) == port
    return monitoring, port


async def test_monitoring_tells_alive_from_ready_and_shows_metrics() -> None:
    lifetime = Lifetime()
    monitoring, port = await monitored(lifetime)
    assert (await fetched(port, "/healthz"))[0] == 200
    assert (await fetched(port, "/readyz"))[0] == 503
    lifetime.ready("storage")
    assert (await fetched(port, "/readyz?verbose"))[0] == 200
    lifetime.stop()
    assert (await fetched(port, "/readyz"))[0] == 503
    metrics.messages_accepted.labels(channel="monitored", result="accepted").reset()
    metrics.messages_accepted.labels(channel="monitored", result="accepted").inc()
    status, text = await fetched(port, "/metrics")
    assert status == 200
    assert 'parley_messages_accepted_total{channel="monitored",result="accepted"} 1.0' in text
    assert (await fetched(port, "/other"))[0] == 404
    with pytest.raises(SettingsError, match="METRICS_PORT: cannot listen"):
        await Monitoring(lifetime, "other").start("127.0.0.1", port)
    await monitoring.close()


async def test_monitoring_survives_nonsense() -> None:
    monitoring, port = await monitored(Lifetime())
    for nonsense in (b"\r\n", b"\xff" * 9000, b"POST / HTTP/1.1\r\n\r\n", b""):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(nonsense)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        assert b"200" not in answer
    assert (await fetched(port, "/healthz"))[0] == 200
    await monitoring.close()


async def test_monitoring_is_off_without_a_port() -> None:
    monitoring = Monitoring(Lifetime(), "storage")
    assert await monitoring.start("127.0.0.1", 0) == 0
    await monitoring.close()


async def test_a_lifetime_waits_for_all_services_or_for_the_end() -> None:
    lifetime = Lifetime()
    both = asyncio.create_task(lifetime.wait_ready(["storage", "agent"]))
    lifetime.ready("storage")
    await asyncio.sleep(0)
    assert not both.done()
    lifetime.ready("agent")
    assert await both
    never = asyncio.create_task(lifetime.wait_ready(["sender"]))
    await asyncio.sleep(0)
    lifetime.stop()
    assert not await never
    assert not lifetime.is_ready("storage")
