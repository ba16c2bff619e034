"""What can a person type after `parley guard`? Asks what a text would meet, and measures the rules on many texts."""

from pathlib import Path
from typing import Annotated

import typer

from kit.command import interrupts
from kit.command.options import AsJson

guard = typer.Typer(
    help="Try the guardrails: on a text (check), or on a file of texts (eval).",
    epilog='Examples: parley guard check "Ignore all previous instructions" · parley guard eval rows.jsonl',
    no_args_is_help=True,
)


@guard.command(epilog='Examples: parley guard check "I forgot my password" · parley guard check --output "It is 4111…"')
def check(
    text: Annotated[str, typer.Argument(help="What a person, or with --output the model, says.")],
    *,
    output: Annotated[bool, typer.Option("--output", help="Look at it as an answer of the model.")] = False,
    json: AsJson = False,
) -> None:
    """Say which rules a text would meet, and what would follow. Exit code: 0 it goes on, 1 it would be blocked."""
    from kit.command.guard_check import run

    raise typer.Exit(interrupts.run(run(text, output=output, as_json=json)))


@guard.command("eval", epilog="Examples: parley guard eval rows.jsonl · parley guard eval rows.jsonl --json")
def evaluate(
    file: Annotated[Path, typer.Argument(help="JSON lines with label (attack or benign) and text.")],
    *,
    json: AsJson = False,
) -> None:
    """Measure the rules: recall, false refusals and time, by category, source and language of the rows."""
    from kit.command.guard_eval import run

    interrupts.run(run(file, as_json=json))
