"""What does `parley guard eval` print? Recall and false refusals by category, source and language, and the time.

Attacks: `blocked` is recall, `met` counts marks and restrictions too. Benign: `blocked` is a false refusal.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.command import guard_calls
from kit.command.screen import Mistake, document, say, table
from kit.moments import seconds
from parley.agent.v1 import agent_service_pb2 as agent

LABELS = ("attack", "benign")
GROUPS = ("category", "source", "lang")
COLUMNS = ("label", "by", "group", "rows", "blocked", "met", "unsure", "p50 ms", "p99 ms", "max ms")


@dataclass(frozen=True, slots=True)
class Tally:
    """Some rows of one label, counted."""

    label: str
    by: str
    group: str
    rows: int
    blocked: float
    met: float
    unsure: float
    p50_ms: float
    p99_ms: float
    max_ms: float

    def cells(self) -> tuple[str, ...]:
        shares = (f"{share:.3f}" for share in (self.blocked, self.met, self.unsure))
        times = (f"{time:.2f}" for time in (self.p50_ms, self.p99_ms, self.max_ms))
        return (self.label, self.by, self.group, str(self.rows), *shares, *times)


Row = Mapping[str, Any]
Judged = tuple[Row, agent.TextVerdict]


async def run(file: Path, *, as_json: bool) -> None:
    """Asks the agent service, which measures its own time, and counts here."""
    rows = read(file)
    judged = list(zip(rows, await guard_calls.verdicts([row["text"] for row in rows]), strict=True))
    tallies = list(counted(judged))
    if as_json:
        document([{name: getattr(each, name) for name in Tally.__slots__} for each in tallies])
        return
    table(COLUMNS, [each.cells() for each in tallies])
    for each in tallies:
        if each.by == "all":
            say(f"{'recall' if each.label == 'attack' else 'false refusals'}: {each.blocked:.3f} of {each.rows}")


def read(file: Path) -> list[Row]:
    """The rows; a Mistake that names the line when one is none."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Mistake(f"{file}: cannot be read ({type(error).__name__})", fix="name a file of JSON lines") from error
    rows = [_row(line, f"{file.name} line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise Mistake(f"{file}: has no rows", fix='one JSON object a line: {"label": "attack", "text": "…"}')
    return rows


def counted(judged: Sequence[Judged]) -> Iterator[Tally]:
    """Of each label all rows first, then by category, source and language, where rows have them."""
    for label in LABELS:
        of_label = [pair for pair in judged if pair[0]["label"] == label]
        if not of_label:
            continue
        yield _tally(label, "all", group="", judged=of_label)
        for by in GROUPS:
            for group in sorted({str(row.get(by, "")) for row, _ in of_label} - {""}):
                yield _tally(label, by, group=group, judged=[p for p in of_label if str(p[0].get(by, "")) == group])


def _row(line: str, place: str) -> Row:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict) or row.get("label") not in LABELS or not isinstance(row.get("text"), str):
        raise Mistake(f"{place}: no row", fix='each line is like {"label": "attack", "text": "…"}, or benign')
    return row


def _tally(label: str, by: str, *, group: str, judged: Sequence[Judged]) -> Tally:
    verdicts = [verdict for _, verdict in judged]
    times = sorted(seconds(verdict.took) * 1000 for verdict in verdicts)
    return Tally(
        label=label,
        by=by,
        group=group,
        rows=len(verdicts),
        blocked=_share(verdict.action == agent.GUARD_ACTION_BLOCK for verdict in verdicts),
        met=_share(bool(verdict.rule_ids) for verdict in verdicts),
        unsure=_share(verdict.unsure for verdict in verdicts),
        p50_ms=times[len(times) // 2],
        p99_ms=times[min(len(times) - 1, len(times) * 99 // 100)],
        max_ms=times[-1],
    )


def _share(holds: Iterable[bool]) -> float:
    answers = list(holds)
    return sum(answers) / len(answers)
