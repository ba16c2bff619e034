"""Does the mesh keep its promises while its processes die, and would this run notice if it did not?"""

from pathlib import Path

import pytest

from tests.chaos.run import Wish, run

SECONDS = 25.0


@pytest.mark.timeout(180)
async def test_processes_and_the_database_die_under_load_and_nothing_is_lost_or_said_twice(tmp_path: Path) -> None:
    result = await run(Wish(seconds=SECONDS, database="postgres", folder=tmp_path))
    assert result.kept, str(result)
    assert result.ledger.total > 100
    assert result.faults.done.total() > 3


@pytest.mark.timeout(240)
@pytest.mark.parametrize("mutation", ["fencing", "dedupe", "attempt_record"])
async def test_a_guard_that_is_taken_out_is_missed(tmp_path: Path, mutation: str) -> None:
    result = await run(Wish(seconds=90, database="sqlite", mutation=mutation, folder=tmp_path, fault_every_seconds=1))
    assert result.findings.broken, str(result)
