"""Do the alerts, the dashboard and the pages ask for what there is, and does each alert say what to do?"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.tree import ROOT, modules
from tests.house.watched import COMPARED, families, faults, pretty, rules, table

SEVERITIES = {"page", "look"}
DASHBOARDS = sorted((ROOT / "deploy/grafana").glob("*.json"))
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", *ROOT.glob("*/README.md")])
BLOCK = re.compile(r"^```(?:promql)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]*\bparley_[^`\n]*)`")
USED = re.compile(r"\bmetrics\.(\w+)")
# As pages name a series: alone, or with its labels.
NAMED = re.compile(r"(parley_\w+)(?:\{([a-z_]+(?:,[a-z_]+)*)\})?")


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_asks_for_what_there_is_and_leads_to_a_page_that_says_what_to_do(rule: dict[str, object]) -> None:
    assert list(faults(str(rule["expr"]))) == []
    labels, annotations = rule["labels"], rule["annotations"]
    assert isinstance(labels, dict)
    assert isinstance(annotations, dict)
    assert labels["severity"] in SEVERITIES
    assert annotations["summary"]
    page, _, section = str(annotations["runbook"]).partition("#")
    assert section in _sections(ROOT / page)


def test_every_alert_has_a_name_of_its_own() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) > 10


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.name)
def test_every_panel_asks_for_what_there_is(dashboard: Path) -> None:
    asked = [target["expr"] for panel in json.loads(dashboard.read_text())["panels"] for target in _targets(panel)]
    wrong = [fault for each in asked for fault in faults(each.replace("$__rate_interval", "5m"))]
    assert wrong == []
    assert len(asked) > 20


def test_every_metric_of_the_table_is_counted_somewhere() -> None:
    counted = {name for module in modules() if module.is_shipped for name in USED.findall(module.text)}
    assert set(table()) - counted == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_a_page_asks_for_is_there_and_what_it_calls_worth_an_alert_is_one(page: Path) -> None:
    alerts = {pretty(str(rule["expr"])) for rule in rules()}
    asked = list(_expressions(page.read_text()))
    assert [fault for each in asked for fault in faults(each)] == []
    assert [each for each in asked if COMPARED.search(each) and pretty(each) not in alerts] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_metric_that_a_page_names_is_there_with_its_labels(page: Path) -> None:
    for named in filter(None, map(NAMED.fullmatch, _spans(page.read_text()))):
        assert set((named[2] or "").split(",")) - {""} <= families()[named[1]], named[0]


def _targets(panel: dict[str, list[dict[str, str]]]) -> list[dict[str, str]]:
    return panel.get("targets", [])


def _sections(page: Path) -> set[str]:
    """The anchors of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _spans(text: str) -> list[str]:
    """A bar in a table is escaped."""
    return [span.replace("\\|", "|") for span in SPAN.findall(BLOCK.sub("", text))]


def _expressions(text: str) -> Iterator[str]:
    """PromQL of a page: the lines of its blocks, and what stands in the text and is more than a name."""
    lines = (line for block in BLOCK.findall(text) for line in block.splitlines())
    yield from (
        line.partition("  # ")[0].partition(" # ")[0].strip() for line in lines if re.search(r"\bparley_", line)
    )
    yield from (span for span in _spans(text) if not NAMED.fullmatch(span))
