"""What can a person type after `parley prompts`? Shows the versions of a prompt, adds one, says which is live."""

from pathlib import Path
from typing import Annotated

import typer

from kit.command import interrupts
from kit.command.options import Tenant

MOST = 2**31 - 1  # of a version's number in the contract

Name = Annotated[str, typer.Argument(help="The prompt's name; the one that is made at the first start is default.")]

prompts = typer.Typer(
    help="System prompts and their versions. New conversations get the live one, others keep their own.",
    epilog="Examples: parley prompts list default · parley prompts add default prompt.txt · "
    "parley prompts diff default 1 2 · parley prompts live default 2",
    no_args_is_help=True,
)


@prompts.command("list", epilog="Example: parley prompts list default")
def listing(name: Name, tenant: Tenant = "default") -> None:
    """List the versions of a prompt, newest first; the live one is marked."""
    from kit.command import prompt_versions

    interrupts.run(prompt_versions.listing(tenant, name))


@prompts.command(epilog="Example: parley prompts diff default 1 2")
def diff(
    name: Name,
    *,
    before: Annotated[int, typer.Argument(metavar="A", min=1, help="The number of a version.")],
    after: Annotated[int, typer.Argument(metavar="B", min=1, help="The number of the one to compare it with.")],
    tenant: Tenant = "default",
) -> None:
    """Show what changed from one version to another, as a unified diff."""
    from kit.command import prompt_versions

    interrupts.run(prompt_versions.diff(tenant, name, before=before, after=after))


@prompts.command(
    epilog="Examples: parley prompts add default prompt.txt · parley prompts add default prompt.txt --live"
)
def add(
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The text, in UTF-8.")],
    *,
    live: Annotated[bool, typer.Option("--live", help="New conversations get it from now on.")] = False,
    tenant: Tenant = "default",
) -> None:
    """Add a version to a prompt. The prompt is made when it is new."""
    from kit.command import prompt_versions

    interrupts.run(prompt_versions.add(tenant, name, file=file, live=live))


@prompts.command("live", epilog="Example, also to roll back: parley prompts live default 1")
def set_live(
    name: Name,
    number: Annotated[
        int, typer.Argument(min=1, max=MOST, help="The number of a version, newer or older than the live one.")
    ],
    *,
    tenant: Tenant = "default",
) -> None:
    """Make a version the one that new conversations get."""
    from kit.command import prompt_versions

    interrupts.run(prompt_versions.set_live(tenant, name, number=number))
