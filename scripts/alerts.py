"""What is an operator woken for? The table of deploy/prometheus/rules.yaml, for the page that says what to do."""

from pathlib import Path

import yaml

from scripts.tables import drawn

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "deploy" / "prometheus" / "rules.yaml"
PAGE = "docs/operate.md"


def table(_argument: str) -> str:
    """Every alert: how bad it is, when it is raised, after how long, and where it says what to do."""
    rows = []
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            link = rule["annotations"]["runbook"].removeprefix(PAGE)
            section = link.removeprefix("#").replace("-", " ")
            when = " ".join(rule["expr"].split())
            rows.append(
                (
                    f"`{rule['alert']}`",
                    rule["labels"]["severity"],
                    f"`{when}`",
                    rule.get("for", ""),
                    f"[{section}?]({link})",
                )
            )
    return drawn(("alert", "", "when", "for", "what to do"), rows)
