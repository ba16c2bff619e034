"""One chaotic run: a mesh, a load, faults, a rest, and the account of it."""

import asyncio
import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.chaos import oracle
from tests.chaos.faults import Faults
from tests.chaos.load import Ledger, Load
from tests.chaos.model import NamingModel
from tests.chaos.oracle import Findings
from tests.mesh.rig import FIVE, REPLICAS, Mesh, Plan
from tests.postgres import Cluster
from tests.simulated.twilio import ACCOUNT_SID, AUTH_TOKEN, Twilio

THINKS_SECONDS = 0.15
SENDS_SECONDS = 0.1
LEASE_SECONDS = 1.5
REST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What run is wanted. With a mutation it ends as soon as the harm is seen."""

    seconds: float = 60.0
    database: str = "postgres"
    mutation: str = ""
    per_second: float = 40.0
    people: int = 100
    fault_every_seconds: float = 2.0
    quiet_ms: int = 0  # without a quiet window, turns are handed out by the transaction that accepts their message
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it."""

    findings: Findings
    ledger: Ledger
    faults: Faults
    took_seconds: float
    folder: Path

    @property
    def unexplained_unknown(self) -> int:
        """Unknown sends beyond those in flight at a fault. One may begin between the count and the blow."""
        return max(0, self.findings.unknown - self.faults.in_flight - self.faults.done.total())

    @property
    def kept(self) -> bool:
        found = self.findings
        return not (found.broken or self.unexplained_unknown or self.ledger.strange or self.faults.crashed)

    def __str__(self) -> str:
        found, faults, ledger = self.findings, self.faults, self.ledger
        hits = ", ".join(f"{what} {times}" for what, times in sorted(faults.done.items()))
        lines = [
            f"acknowledged {ledger.total}, refused and repeated {ledger.refused}, sent again {ledger.repeated}",
            f"answers that no provider expects: {dict(Counter(ledger.strange)) or 'none'}",
            f"faults {faults.done.total()}: {hits}",
            f"answered {found.answered}, told by the fallback text {found.told}",
            f"lost {len(found.lost)}, doubled {len(found.doubled)}, inverted {len(found.inverted)}",
            f"crashed by themselves: {', '.join(faults.crashed) or 'none'}",
            f"unknown {found.unknown}, sends in flight at faults {faults.in_flight}",
            f"{self.took_seconds:.0f} s in all; logs and ledger in {self.folder}",
        ]
        lines += [f"  {line}" for line in (*found.lost, *found.doubled, *found.inverted)[:20]]
        return "\n".join(lines)


async def run(wish: Wish) -> Result:
    """Runs it. The mesh is gone when it returns; its folder stays."""
    began = time.monotonic()
    folder = wish.folder or Path(tempfile.mkdtemp(prefix="parley-chaos-"))
    # With callbacks, as Twilio makes them: most sends whose answer a fault took are found out by what it reports later.
    twilio = Twilio(mode=f"slow:{SENDS_SECONDS}", log=folder / "provider.log", statuses=("sent", "delivered"))
    model = NamingModel(THINKS_SECONDS)
    with _database(wish, folder) as (url, cluster):
        async with outside(twilio, model):
            mesh = Mesh(Plan(folder, url, (*FIVE, *REPLICAS), environment(wish, twilio, model=model)))
            ledger = Ledger(folder / "ledger")
            faults = Faults(mesh, cluster, LEASE_SECONDS, wish.fault_every_seconds)
            await asyncio.to_thread(mesh.__enter__)
            try:
                findings = await _suffer(wish, mesh, faults=faults, ledger=ledger, twilio=twilio)
            finally:
                mesh.kill_all()
                ledger.close()
    return Result(findings, ledger, faults, time.monotonic() - began, folder)


async def _suffer(wish: Wish, mesh: Mesh, *, faults: Faults, ledger: Ledger, twilio: Twilio) -> Findings:
    async with mesh.storage() as storage:
        await storage.set_quiet_window(wish.quiet_ms)
    stop = asyncio.Event()
    load = Load((mesh.base_url, mesh.second_url), ledger, people=wish.people, per_second=wish.per_second)
    working = [asyncio.create_task(load.run(stop)), asyncio.create_task(faults.run(stop))]
    until = time.monotonic() + wish.seconds
    while time.monotonic() < until and not any(task.done() for task in working):
        await asyncio.sleep(0.25)
        if wish.mutation and (seen := oracle.seen_at_once(twilio.sends.all)).broken:
            return await _cut_short(working, seen)
    stop.set()
    await asyncio.gather(*working)
    await asyncio.to_thread(mesh.wait_ready, mesh.base_url)
    async with mesh.storage() as storage:
        await storage.rest(REST_SECONDS)
        return await oracle.audit(ledger, list(twilio.sends.all), storage)


async def _cut_short(working: list["asyncio.Task[None]"], seen: Findings) -> Findings:
    """The harm is seen, which is all that was asked."""
    for task in working:
        task.cancel()
    await asyncio.gather(*working, return_exceptions=True)
    return seen


def environment(wish: Wish, twilio: Twilio, *, model: NamingModel) -> dict[str, str]:
    """The settings of the mesh: who is outside, and leases that are short, so that the dead are found out soon."""
    mutated = {"PARLEY_ENV": "test", "PARLEY_TEST_MUTATION": wish.mutation} if wish.mutation else {}
    return {
        "OLLAMA_BASE_URL": model.server.base_url,
        "TWILIO_API_BASE_URL": twilio.server.base_url,
        "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
        "TELEGRAM_WEBHOOK_SECRET": "",
        "AGENT_LEASE_SECONDS": str(LEASE_SECONDS),
        "SENDER_LEASE_SECONDS": str(LEASE_SECONDS),
        "LOG_LEVEL": "info",
        **mutated,
    }


@contextlib.contextmanager
def _database(wish: Wish, folder: Path) -> Iterator[tuple[str, Cluster | None]]:
    """Postgres with fsync: a kill must not take what was promised."""
    if wish.database == "sqlite":
        yield f"sqlite:///{folder / 'parley.db'}", None
        return
    with Cluster(fsync=True) as cluster:
        yield cluster.fresh(), cluster


@contextlib.asynccontextmanager
async def outside(twilio: Twilio, model: NamingModel) -> AsyncIterator[None]:
    """A provider and a model server, on loopback."""
    await twilio.start()
    await model.server.listen()
    yield
    await twilio.stop()
    await model.server.refuse()
