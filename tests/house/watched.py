"""What may be asked of Prometheus? Every series that the services show, and what a PromQL expression asks for."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser as promql
import yaml
from prometheus_client import Counter, Histogram

from kit import metrics
from tests.house.tree import ROOT, modules

# What Prometheus itself puts beside each series, as deploy/prometheus/*.yaml says.
OF_THE_SCRAPE = {"job", "service", "instance"}
PIECES = ("_bucket", "_sum", "_count")
COMPARED = re.compile(r"\s(==|!=|>=|<=|>|<)\s")


@dataclass(frozen=True, slots=True)
class Asked:
    """One selector of an expression."""

    series: str
    matched: tuple[tuple[str, str], ...]  # labels and what they are compared with


@cache
def shown() -> Mapping[str, frozenset[str]]:
    """Each series and its labels."""
    found = {"up": frozenset[str]()}
    for each in table().values():
        labels = frozenset[str](each._labelnames)
        for family in each.describe():
            if isinstance(each, Histogram):
                found |= {f"{family.name}{piece}": labels for piece in PIECES}
                found[f"{family.name}_bucket"] = labels | {"le"}
            else:
                found[f"{family.name}{'_total' if isinstance(each, Counter) else ''}"] = labels
    return found


def table() -> Mapping[str, Any]:
    """The objects of kit/metrics.py, by their names there."""
    return {name: each for name, each in vars(metrics).items() if hasattr(each, "_labelnames")}


def families() -> Mapping[str, frozenset[str]]:
    """As pages name them: a histogram by its name alone."""
    whole = {name.removesuffix("_bucket"): labels - {"le"} for name, labels in shown().items()}
    return {**whole, **shown()}


def asked(expression: promql.Expr) -> list[Asked]:
    """Every selector in it."""
    found: list[Asked] = []

    def visit(node: promql.Expr) -> None:
        if isinstance(node, promql.VectorSelector):
            matched = tuple((each.name, each.value) for each in node.matchers.matchers)
            found.append(Asked(node.name or "", matched))

    promql.walk(expression, visit)
    return found


def grouped(expression: promql.Expr) -> set[str]:
    """The labels that it keeps, drops or joins on."""
    found: set[str] = set()

    def visit(node: promql.Expr) -> None:
        if isinstance(node, promql.AggregateExpr) and node.modifier:
            found.update(node.modifier.labels)
        if isinstance(node, promql.BinaryExpr) and node.modifier and node.modifier.matching:
            found.update(node.modifier.matching.labels)

    promql.walk(expression, visit)
    return found


def faults(text: str) -> Iterator[str]:
    """What is wrong with an expression."""
    try:
        expression = promql.parse(text)
    except ValueError as error:
        yield f"{text}: {error}"
        return
    labels = set(OF_THE_SCRAPE)
    for each in asked(expression):
        known = shown().get(each.series)
        if known is None:
            yield f"{text}: nobody shows {each.series}"
            continue
        labels |= known
        for label, value in each.matched:
            if label not in known | OF_THE_SCRAPE:
                yield f"{text}: {each.series} has no label {label}"
            elif label in known:
                yield from (f"{text}: {label} is never {word}" for word in _words(value) if not _is_said(word))
    yield from (f"{text}: nothing in it has a label {label}" for label in sorted(grouped(expression) - labels))


def rules(file: Path = ROOT / "deploy/prometheus/rules.yaml") -> list[dict[str, Any]]:
    """Every alert."""
    return [rule for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]


def pretty(text: str) -> str:
    """The same for the same expression, however it is laid out."""
    return promql.parse(text).prettify()


def _words(value: str) -> list[str]:
    return [word for word in value.split("|") if re.fullmatch(r"[A-Za-z_]+", word)]


def _is_said(word: str) -> bool:
    """Somewhere in the code, as it is or as the name of an enum's value."""
    return word in _said() or any(each.endswith(f"_{word.upper()}") for each in _said())


@cache
def _said() -> frozenset[str]:
    return frozenset(word for module in modules() if module.is_shipped for word in re.findall(r"\w+", module.text))
