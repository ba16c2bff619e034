"""When Postgres is gone for good and its standby takes over, is anything lost, or said twice?"""

import asyncio
from pathlib import Path

import pytest

from tests.chaos import oracle
from tests.chaos.load import Ledger, Load
from tests.chaos.model import NamingModel
from tests.chaos.oracle import Findings
from tests.chaos.run import REST_SECONDS, SENDS_SECONDS, THINKS_SECONDS, Wish, environment, outside
from tests.mesh.rig import FIVE, REPLICAS, Mesh, Plan
from tests.postgres import Cluster
from tests.simulated.twilio import Twilio
from tests.stalls import PATIENCE_SECONDS
from tests.standby import Standby, pair

BEFORE_SECONDS, AWAY_SECONDS, AFTER_SECONDS = 5.0, 1.0, 5.0
WISH = Wish()


@pytest.mark.timeout(180)
async def test_a_standby_that_takes_over_finds_all_that_was_promised(tmp_path: Path) -> None:
    twilio = Twilio(mode=f"slow:{SENDS_SECONDS}", log=tmp_path / "provider.log", statuses=("sent", "delivered"))
    model, ledger = NamingModel(THINKS_SECONDS), Ledger(tmp_path / "ledger")
    with pair() as (primary, standby):
        primary.execute("CREATE DATABASE parley")
        hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
        url = f"postgresql://parley@{hosts}/parley?target_session_attrs=primary"
        async with outside(twilio, model):
            mesh = Mesh(Plan(tmp_path, url, (*FIVE, *REPLICAS), environment(WISH, twilio, model=model)))
            await asyncio.to_thread(mesh.__enter__)
            try:
                before, found = await _suffer(mesh, primary, standby=standby, ledger=ledger, twilio=twilio)
            finally:
                mesh.kill_all()
                ledger.close()
    assert not found.broken, str(found)
    assert ledger.strange == []
    assert 50 < before < ledger.total
    assert found.answered + found.told + found.unknown >= ledger.total


async def _suffer(
    mesh: Mesh, primary: Cluster, *, standby: Standby, ledger: Ledger, twilio: Twilio
) -> tuple[int, Findings]:
    """How much was acknowledged when the standby took over, and the account of it all."""
    async with mesh.storage() as storage:
        await storage.set_quiet_window(WISH.quiet_ms)
    stop = asyncio.Event()
    load = Load((mesh.base_url, mesh.second_url), ledger, people=WISH.people, per_second=WISH.per_second)
    working = asyncio.create_task(load.run(stop))
    await asyncio.sleep(BEFORE_SECONDS)
    await asyncio.to_thread(primary.kill)
    await asyncio.sleep(AWAY_SECONDS)
    before = ledger.total
    await asyncio.to_thread(standby.promote)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while ledger.total == before:
            await asyncio.sleep(0.05)
    await asyncio.sleep(AFTER_SECONDS)
    stop.set()
    await working
    await asyncio.to_thread(mesh.wait_ready, mesh.base_url)
    async with mesh.storage() as storage:
        await storage.rest(REST_SECONDS)
        return before, await oracle.audit(ledger, list(twilio.sends.all), storage)
