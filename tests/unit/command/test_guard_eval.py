"""Does `parley guard eval` read rows and count them as it says?"""

from datetime import timedelta
from pathlib import Path

import pytest

from kit.command.guard_eval import counted, read
from kit.command.screen import Mistake
from kit.moments import span
from parley.agent.v1 import agent_service_pb2 as agent


def a_verdict(action: agent.GuardAction, milliseconds: float = 1.0) -> agent.TextVerdict:
    rules = [] if action == agent.GUARD_ACTION_PASS else ["a.rule"]
    return agent.TextVerdict(action=action, rule_ids=rules, took=span(timedelta(milliseconds=milliseconds)))


def test_recall_and_false_refusals_are_counted_by_category_source_and_language() -> None:
    attack = {"label": "attack", "text": "x", "category": "malware", "lang": "en"}
    judged = [
        (attack, a_verdict(agent.GUARD_ACTION_BLOCK)),
        (attack, a_verdict(agent.GUARD_ACTION_MARK, 3.0)),
        ({"label": "benign", "text": "x", "category": "support"}, a_verdict(agent.GUARD_ACTION_PASS)),
    ]

    tallies = {(each.label, each.by, each.group): each for each in counted(judged)}

    assert set(tallies) == {
        ("attack", "all", ""),
        ("attack", "category", "malware"),
        ("attack", "lang", "en"),
        ("benign", "all", ""),
        ("benign", "category", "support"),
    }
    attacks = tallies["attack", "all", ""]
    assert (attacks.rows, attacks.blocked, attacks.met, attacks.max_ms) == (2, 0.5, 1.0, 3.0)
    assert tallies["benign", "all", ""].blocked == 0.0


@pytest.mark.parametrize("line", ["", "not json", '{"label": "attack"}', '{"label": "other", "text": "x"}', "[1]"])
def test_a_line_that_is_no_row_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"label": "attack", "text": "x"}\n' + line if line else line)
    with pytest.raises(Mistake, match=r"rows\.jsonl line 2: no row" if line else "has no rows"):
        read(file)
