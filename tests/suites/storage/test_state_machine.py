"""Whatever happens in whatever order, the promises hold; and each guard that is taken out is missed at once."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from storage_service.domain.mutations import Mutations
from tests.postgres import Server
from tests.suites.storage.hot import DATABASES, fresh
from tests.suites.storage.leaving import Leaving
from tests.suites.storage.machine import world_on

CALM = settings(
    max_examples=20,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
# A mutant ends its run when it is found, so it may take longer.
EAGER = settings(CALM, max_examples=200)


@pytest.mark.parametrize("database", DATABASES)
def test_the_promises_hold_whatever_happens(database: str, tmp_path: Path, postgres_server: Server) -> None:
    url = fresh(database, tmp_path, postgres_server)
    run_state_machine_as_test(world_on(url, Mutations()), settings=CALM)


@pytest.mark.parametrize("database", DATABASES)
def test_what_is_taken_back_or_erased_is_gone_and_the_promises_hold(
    database: str, tmp_path: Path, postgres_server: Server
) -> None:
    url = fresh(database, tmp_path, postgres_server)
    run_state_machine_as_test(world_on(url, Mutations(), Leaving), settings=settings(CALM, max_examples=12))


@pytest.mark.parametrize(
    ("mutations", "missed"),
    [
        (Mutations(fencing=False), "answered twice|went out after|sent twice"),
        (Mutations(dedupe=False), "accepted twice|without a turn"),
        (Mutations(attempt_record=False), "sent twice"),
    ],
    ids=["fencing", "dedupe", "attempt_record"],
)
def test_a_guard_that_is_taken_out_is_missed(
    mutations: Mutations, missed: str, tmp_path: Path, postgres_server: Server
) -> None:
    url = fresh("sqlite", tmp_path, postgres_server)
    with pytest.raises(AssertionError, match=missed):
        run_state_machine_as_test(world_on(url, mutations), settings=EAGER)
