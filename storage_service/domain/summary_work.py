"""How do workers take summary jobs and bring them back? The rules of a batch, in a transaction of its own.

It is apart from that of turns because conversations are locked in the order of their ids, all of them at once.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from kit.errors import InvalidField, LeaseLost
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, TurnCommit, TurnLease
from storage_service.domain import leased, weights
from storage_service.domain.accepting import Lanes, Settings
from storage_service.domain.asks import Ask, share
from storage_service.domain.changes import Changes
from storage_service.domain.changing import count_tokens
from storage_service.domain.leased import Remembered
from storage_service.domain.rows import Key
from storage_service.domain.summaries import LEAST_AT_ONCE, NEWEST, Summary
from storage_service.domain.turns import Done
from storage_service.domain.words import TERMINAL

# A job, and the last place that its conversation's summary covers now.
Locked = tuple[Summary, int]
# tenant_id, conversation_id, behind which place, up to which
Stretch = tuple[str, str, int, int]


class SummaryRows(Protocol):
    """Reads and locks of jobs. Whoever holds a job holds its conversation too."""

    async def ready(self, most: int) -> Sequence[Summary]: ...
    async def locked(self, keys: Sequence[Key]) -> Mapping[Key, Locked]: ...
    async def oldest(self, stretches: Sequence[Stretch]) -> Mapping[Key, Sequence[Remembered]]: ...
    async def late(self, most: int) -> Sequence[Summary]: ...


class SummingRows(Protocol):
    """What summary work needs of a transaction."""

    now: datetime

    @property
    def summaries(self) -> SummaryRows: ...
    async def lanes_and_settings(self, keys: Sequence[Key]) -> tuple[Lanes, Settings]: ...
    async def write(self, changes: Changes) -> None: ...


async def lease(rows: SummingRows, asks: Sequence[Ask]) -> list[list[LeasedTurn]]:
    """Jobs for each ask, longest waiting first. What failed too often, or has too little to summarise, ends instead."""
    filled: dict[int, list[LeasedTurn]] = {id(ask): [] for ask in asks}
    most = sum(ask.most for ask in asks)
    jobs = {_conversation(job): job for job in await rows.summaries.ready(most)} if most else {}
    if jobs:
        changes = Changes()
        lanes, settings = await rows.lanes_and_settings(sorted(jobs))
        begin = {key: max(settings[key].summary_seq, lane.context_seq) for key, lane in lanes.items()}
        stretches = [(*key, begin[key], lane.next_seq - 1 - NEWEST) for key, lane in lanes.items()]
        history = await rows.summaries.oldest(stretches)
        for lane, ask in share([lanes[key] for key in jobs], asks):
            job, setting, old = jobs[lane.key], settings[lane.key], history[lane.key]
            changes.summaries[job.id] = job
            if job.exhausted or len(old) < LEAST_AT_ONCE:
                job.end()
                continue
            heavy = (weights.said(text, attached) for _, _, text, attached, _ in old)
            old = old[: weights.fitting(heavy, weights.MOST_LEASED_BYTES)]
            places = {"from_seq": setting.summary_seq, "to_seq": old[-1][0]}
            job.lease(ask.worker_id, now=rows.now, lease=ask.lease, **places)
            filled[id(ask)].append(leased.summary(lane, job, setting=setting, before=old))
        await rows.write(changes)
    return [filled[id(ask)] for ask in asks]


async def extend(rows: SummingRows, leases: Sequence[TurnLease], *, worker_id: str, lease: timedelta) -> list[Done]:
    """Never past the deadline: what is not done by then is anybody's again."""
    jobs, changes, results = await _locked(rows, leases), Changes(), []
    for each in leases:
        job, _ = jobs.get(_key(each), (None, 0))
        if job is None or not job.is_held(worker_id, each.epoch) or job.deadline_at <= rows.now:
            results.append(Done(error=LeaseLost()))
            continue
        job.expires_at = min(rows.now + lease, job.deadline_at)
        changes.summaries[job.id] = job
        results.append(Done(expires_at=job.expires_at))
    await rows.write(changes)
    return results


async def give_back(
    rows: SummingRows, leases: Sequence[TurnLease], *, worker_id: str, delay: timedelta, counts: bool = True
) -> list[Done]:
    """`counts` says whether it was an attempt."""
    jobs, changes, results = await _locked(rows, leases), Changes(), []
    for each in leases:
        job, _ = jobs.get(_key(each), (None, 0))
        if job is None or not job.is_held(worker_id, each.epoch):
            before = job is not None and job.was_held(worker_id, each.epoch, state="waiting")
            results.append(Done(duplicate=True) if before else Done(error=LeaseLost()))
            continue
        job.attempts -= 0 if counts else 1
        job.give_back(rows.now + delay)
        changes.summaries[job.id] = job
        changes.summaries_wait |= job.may_be_leased(rows.now)
        results.append(Done())
    await rows.write(changes)
    return results


async def commit(rows: SummingRows, commits: Sequence[tuple[str, TurnCommit]]) -> list[Done]:
    """Each with the worker that brings it."""
    jobs, changes = await _locked(rows, [item for _, item in commits]), Changes()
    results = [
        _commit(jobs.get(_key(item)), item, worker_id=worker, changes=changes, now=rows.now) for worker, item in commits
    ]
    await rows.write(changes)
    return results


async def expired(rows: SummingRows, most: int) -> int:
    """Drops what failed too often, and says whether anything else waits for a worker. How many were dropped."""
    late = await rows.summaries.late(most)
    if not late:
        return 0
    changes = Changes(summaries_wait=any(not job.exhausted for job in late))
    spent = [(job.tenant_id, job.id) for job in late if job.exhausted]
    for job, _ in (await rows.summaries.locked(spent)).values() if spent else ():
        if job.exhausted and job.may_be_leased(rows.now):
            job.end()
            changes.summaries[job.id] = job
    await rows.write(changes)
    return len(changes.summaries)


def _commit(found: Locked | None, item: TurnCommit, *, worker_id: str, changes: Changes, now: datetime) -> Done:
    """A summary is written behind the one that it extends, or not at all: it may have been taken away meanwhile."""
    if found is None:
        return Done(error=LeaseLost())
    job, summary_seq = found
    state = TERMINAL.get(item.state)
    if state is None:
        return Done(error=InvalidField([("state", "must be a terminal state")]))
    if state == "replied" and not item.summary.strip():
        return Done(error=InvalidField([("summary", "must not be blank when a summary turn ends as replied")]))
    if not job.is_held(worker_id, item.epoch):
        before = job.was_held(worker_id, item.epoch, state="ended")
        return Done(duplicate=True) if before else Done(error=LeaseLost())
    covers = item.summary_seq or job.to_seq
    if state == "replied" and not job.from_seq < covers <= job.to_seq:
        return Done(error=InvalidField([("summary_seq", "must be a place of the history that came with the turn")]))
    job.end()
    changes.summaries[job.id] = job
    count_tokens(item, changes=changes, now=now)
    if state != "replied":
        return Done()
    if summary_seq != job.from_seq:
        job.leased_by = ""
        return Done(error=LeaseLost("the summary that it extends is not there any more"))
    changes.summed_up.append((job.tenant_id, job.conversation_id, item.summary, covers))
    return Done()


async def _locked(rows: SummingRows, items: Sequence[TurnLease | TurnCommit]) -> Mapping[Key, Locked]:
    return await rows.summaries.locked(sorted({_key(each) for each in items}))


def _key(item: TurnLease | TurnCommit) -> Key:
    return item.tenant_id, item.turn_id


def _conversation(job: Summary) -> Key:
    return job.tenant_id, job.conversation_id
