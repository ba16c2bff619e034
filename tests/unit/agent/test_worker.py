"""Does every turn that is leased end once, or come back?"""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import Histogram

from kit import metrics
from kit.errors import InvalidField, OwnerChanged
from parley.chat.v1.message_pb2 import TurnState
from parley.llm.v1.completion_pb2 import Completion
from parley.storage.v1.inbox_service_pb2 import Submission
from tests.unit.agent.desk import working


async def test_every_turn_is_answered_and_committed_with_its_fence(tmp_path: Path) -> None:
    async with working(tmp_path) as scene:
        scene.desk.add(*(f"u{number}" for number in range(20)))
        await scene.until(lambda: len(scene.desk.committed) == 20)

    commit = scene.desk.committed["u7"]
    assert (commit.tenant_id, commit.epoch, commit.owner_epoch) == ("t1", 1, 7)
    assert (commit.state, list(commit.replies)) == (TurnState.TURN_STATE_REPLIED, ["re: u7"])


@pytest.mark.parametrize("behind", [timedelta(hours=2), timedelta(hours=-2)], ids=["ahead", "behind"])
async def test_a_clock_that_is_not_storages_costs_nobody_an_answer(tmp_path: Path, behind: timedelta) -> None:
    async with working(tmp_path) as scene:
        scene.desk.behind = behind
        scene.desk.add("a")
        await scene.until(lambda: "a" in scene.desk.committed)
    commit = scene.desk.committed["a"]
    assert (commit.state, list(commit.replies)) == (TurnState.TURN_STATE_REPLIED, ["re: a"])


async def test_a_reply_is_timed_at_its_commit_and_never_as_one_that_a_provider_took(tmp_path: Path) -> None:
    before = (_timed(metrics.accept_to_commit_seconds), _timed(metrics.accept_to_reply_seconds))
    async with working(tmp_path) as scene:
        scene.desk.add("a")
        await scene.until(lambda: "a" in scene.desk.committed)
    after = (_timed(metrics.accept_to_commit_seconds), _timed(metrics.accept_to_reply_seconds))
    assert (after[0] - before[0], after[1] - before[1]) == (1, 0)


def _timed(metric: Histogram) -> float:
    """How many there were."""
    samples = (each for family in metric.collect() for each in family.samples)
    return sum(each.value for each in samples if each.name.endswith("_count"))


async def test_only_free_slots_are_asked_for_by_one_call_at_a_time(tmp_path: Path) -> None:
    async with working(tmp_path, slots=3, waits=True) as scene:
        scene.desk.add("a", "b", "c", "d", "e")
        await scene.until(lambda: scene.thinker.thinking == 3)
        await asyncio.sleep(0.05)
        assert scene.desk.waiting == ["d", "e"]

        scene.thinker.go.set()
        await scene.until(lambda: len(scene.desk.committed) == 5)

    assert scene.thinker.most_thinking == 3
    assert scene.desk.most_leasing == 1
    assert max(scene.desk.asked_for) == 3


async def test_between_two_calls_that_bring_turns_there_is_a_breath_which_a_stop_ends(tmp_path: Path) -> None:
    async with working(tmp_path, breath_seconds=3600) as scene:
        scene.desk.add("a")
        await scene.until(lambda: "a" in scene.desk.committed)
        scene.desk.add("b")
        await asyncio.sleep(0.05)
        assert (scene.desk.asked_for, scene.desk.waiting) == ([4], ["b"])
        await scene.stop()


async def test_where_each_slot_got_a_turn_more_are_asked_for_as_soon_as_one_is_free(tmp_path: Path) -> None:
    async with working(tmp_path, slots=2, breath_seconds=3600) as scene:
        scene.desk.add("a", "b", "c")
        await scene.until(lambda: len(scene.desk.committed) == 3)


async def test_a_turn_that_runs_long_is_kept_by_the_heartbeat_in_one_call_for_all(tmp_path: Path) -> None:
    async with working(tmp_path, lease_seconds=0.3, waits=True) as scene:
        scene.desk.add("a", "b")
        await scene.until(lambda: len(scene.desk.extended) >= 3)
        scene.thinker.go.set()
        await scene.until(lambda: len(scene.desk.committed) == 2)

    # By a later one, the first of them may have ended already.
    assert {tuple(sorted(beat)) for beat in scene.desk.extended[:3]} == {("a", "b")}


async def test_a_lost_lease_cancels_the_work_and_frees_the_slot(tmp_path: Path) -> None:
    async with working(tmp_path, slots=1, lease_seconds=0.3, waits=True) as scene:
        scene.desk.add("a", "b")
        await scene.until(lambda: scene.thinker.thinking == 1)

        scene.desk.expire("a")
        await scene.until(lambda: scene.thinker.cancelled == ["a"])
        scene.thinker.go.set()
        await scene.until(lambda: "b" in scene.desk.committed)

    assert "a" not in scene.desk.committed


async def test_a_turn_that_was_taken_over_is_thought_to_its_end_so_that_its_cost_is_told(tmp_path: Path) -> None:
    async with working(tmp_path, slots=1, lease_seconds=0.3, waits=True) as scene:
        scene.desk.add("a", "b")
        await scene.until(lambda: scene.thinker.thinking == 1)

        scene.desk.refusals["a"] = OwnerChanged()
        await scene.until(lambda: len(scene.desk.extended) >= 3)
        scene.thinker.go.set()
        await scene.until(lambda: "b" in scene.desk.committed)

    assert scene.thinker.cancelled == []


async def test_a_stale_commit_is_refused_for_that_turn_alone(tmp_path: Path) -> None:
    async with working(tmp_path, waits=True) as scene:
        scene.desk.add("a", "b")
        await scene.until(lambda: scene.thinker.thinking == 2)
        scene.desk.expire("a")
        scene.thinker.go.set()
        await scene.until(lambda: "b" in scene.desk.committed)
        scene.desk.add("c")
        await scene.until(lambda: "c" in scene.desk.committed)

    assert "a" not in scene.desk.committed


async def test_an_answer_outlives_an_outage_of_storage(tmp_path: Path) -> None:
    async with working(tmp_path, waits=True) as scene:
        scene.desk.add("a")
        await scene.until(lambda: scene.thinker.thinking == 1)

        scene.desk.away = True
        scene.thinker.go.set()
        await asyncio.sleep(0.3)
        assert not scene.desk.committed
        scene.desk.away = False
        await scene.until(lambda: "a" in scene.desk.committed)


async def test_leasing_goes_on_when_storage_is_back(tmp_path: Path) -> None:
    async with working(tmp_path) as scene:
        scene.desk.away = True
        scene.desk.changed.set()
        await asyncio.sleep(0.3)

        scene.desk.away = False
        scene.desk.add("a")
        await scene.until(lambda: "a" in scene.desk.committed)


async def test_at_the_stop_what_can_end_ends_and_nothing_new_is_begun(tmp_path: Path) -> None:
    async with working(tmp_path, drain_seconds=5, waits=True) as scene:
        scene.desk.add("a")
        await scene.until(lambda: scene.thinker.thinking == 1 and scene.desk.leasing == 1)
        scene.stopping.set()
        await scene.until(lambda: scene.desk.leasing == 0)
        scene.desk.add("b")
        scene.thinker.go.set()
        await scene.stop()

    assert list(scene.desk.committed) == ["a"]
    assert scene.desk.waiting == ["b"]
    assert scene.desk.abandoned == []


async def test_at_the_end_of_the_grace_the_rest_is_given_back(tmp_path: Path) -> None:
    async with working(tmp_path, drain_seconds=0.1, waits=True) as scene:
        scene.desk.add("a", "b")
        await scene.until(lambda: scene.thinker.thinking == 2)
        await scene.stop()

    assert sorted(scene.desk.abandoned) == ["a", "b"]
    assert sorted(scene.thinker.cancelled) == ["a", "b"]
    assert not scene.desk.committed


async def test_a_fault_of_our_own_in_one_turn_is_told_to_its_person_and_leaves_the_others_alone(tmp_path: Path) -> None:
    async with working(tmp_path) as scene:
        scene.thinker.breaks.add("a")
        scene.desk.add("a", "b")
        await scene.until(lambda: len(scene.desk.committed) == 2)

    broken = scene.desk.committed["a"]
    assert (broken.state, broken.reason, list(broken.replies)) == (TurnState.TURN_STATE_FAILED, "internal", ["sorry"])
    assert scene.desk.committed["b"].state == TurnState.TURN_STATE_REPLIED


@pytest.mark.parametrize("refusal", [OwnerChanged(), InvalidField([("turns[0]", "never")])])
async def test_a_commit_that_is_refused_for_good_is_not_repeated(refusal: Exception, tmp_path: Path) -> None:
    async with working(tmp_path, slots=1) as scene:
        scene.desk.refusals["a"] = refusal  # type: ignore[assignment]
        scene.desk.add("a", "b")
        await scene.until(lambda: "b" in scene.desk.committed)

    assert "a" not in scene.desk.committed


async def test_a_model_whose_name_is_a_long_path_answers_and_is_known_by_its_end(tmp_path: Path) -> None:
    """vLLM and llama.cpp's server call a model by its path when nobody gave it a name."""
    path = f"/srv/{'models/' * 30}Llama-3.1-70B-Q4_K_M.gguf"
    async with working(tmp_path) as scene:
        scene.thinker.completion = Completion(model=path, backend="openai", output_tokens=3)
        scene.desk.add("a")
        await scene.until(lambda: "a" in scene.desk.committed)

    commit = scene.desk.committed["a"]
    assert (commit.state, list(commit.replies)) == (TurnState.TURN_STATE_REPLIED, ["re: a"])
    assert (commit.usage.model, commit.usage.output_tokens) == (path[-128:], 3)


async def test_an_ending_that_storage_never_takes_is_a_failure_that_is_told_at_once(tmp_path: Path) -> None:
    async with working(tmp_path) as scene:
        scene.thinker.completion = Completion(model="m", output_tokens=-1)
        scene.desk.add("a")
        await scene.until(lambda: "a" in scene.desk.committed)

    commit = scene.desk.committed["a"]
    assert (commit.state, commit.reason, list(commit.replies)) == (TurnState.TURN_STATE_FAILED, "internal", ["sorry"])
    assert scene.thinker.thinking_about == ["a"]


async def test_the_commit_carries_what_the_server_calls_the_conversation_if_it_holds_one(tmp_path: Path) -> None:
    async with working(tmp_path) as scene:
        scene.desk.add("a")
        await scene.until(lambda: "a" in scene.desk.committed)
        scene.thinker.remembers = True
        scene.desk.add("b")
        await scene.until(lambda: "b" in scene.desk.committed)

    kept = [scene.desk.committed[turn_id].model_conversation for turn_id in "ab"]
    assert kept == ["", "conv of b"]


async def test_the_commit_carries_what_changes_in_the_conversation_and_nothing_when_nothing_does(
    tmp_path: Path,
) -> None:
    async with working(tmp_path) as scene:
        scene.desk.add("/reset", "/human", "1234")
        await scene.until(lambda: len(scene.desk.committed) == 3)

    commits = scene.desk.committed
    assert commits["/reset"].change.reset
    assert commits["/human"].state == TurnState.TURN_STATE_HANDED_OFF
    assert commits["/human"].change.hand_off.summary
    assert not commits["1234"].HasField("change")


async def test_a_summary_is_committed_without_a_reply_and_its_failure_is_told_to_nobody(tmp_path: Path) -> None:
    async with working(tmp_path) as scene:
        scene.desk.summaries |= {"a", "b"}
        scene.thinker.breaks.add("[nothing]")
        scene.desk.add("a")
        await scene.until(lambda: "a" in scene.desk.committed)
        scene.thinker.breaks.clear()
        scene.desk.add("b")
        await scene.until(lambda: "b" in scene.desk.committed)

    failed, done = scene.desk.committed["a"], scene.desk.committed["b"]
    assert (failed.state, list(failed.replies)) == (TurnState.TURN_STATE_FAILED, [])
    assert (done.state, list(done.replies), done.summary) == (TurnState.TURN_STATE_REPLIED, [], "re: [nothing]")


async def test_what_storage_cannot_keep_of_one_caller_is_not_held_against_those_who_came_with_it(
    tmp_path: Path,
) -> None:
    async with working(tmp_path) as scene:
        submissions = [
            Submission(tenant_id="t", account_id="a", correlation_id=f"{number}", unreadable=reason)
            for number, reason in enumerate(["first", "fine", "n\0t", "fine"])
        ]
        accepted = await asyncio.gather(*map(scene.backend.accept, submissions), return_exceptions=True)
    assert [isinstance(each, InvalidField) for each in accepted] == [False, False, True, False]
