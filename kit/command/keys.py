"""What can a person type after `parley keys`? Makes a key, for the console too; lists and ends them."""

from typing import Annotated

import typer

from kit.command import interrupts
from kit.command.options import Tenant
from kit.command.screen import Mistake

# What the rooms of /console ask storage for.
CONSOLE = ("conversations.read", "conversations.write", "outbox.write", "directory.read", "directory.write")

keys = typer.Typer(help="API keys, with which programs of yours call the mesh.", no_args_is_help=True)


@keys.command("create", epilog="Examples: parley keys create shop --scope agent.use · parley keys create ada --console")
def create_key(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scope: Annotated[list[str] | None, typer.Option(help="What it may do; repeat the option for more.")] = None,
    *,
    console: Annotated[bool, typer.Option("--console", help="All that the page /console needs.")] = False,
    tenant: Tenant = "default",
) -> None:
    """Make a key and show its secret, this once."""
    scopes = _scopes(scope or [], console=console)
    from kit.command import api_keys

    interrupts.run(api_keys.create(tenant, name, scopes=scopes))


@keys.command("list")
def list_keys(tenant: Tenant = "default") -> None:
    """List keys, without their secrets."""
    from kit.command import api_keys

    interrupts.run(api_keys.listing(tenant))


@keys.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(help="Its id, as listed.")], tenant: Tenant = "default") -> None:
    """End a key. Every process refuses it within five seconds."""
    from kit.command import api_keys

    interrupts.run(api_keys.revoke(tenant, key_id))


def _scopes(stated: list[str], *, console: bool) -> list[str]:
    if console and stated:
        fix = f"leave one away; --console is --scope {' --scope '.join(CONSOLE)}"
        raise Mistake("--console and --scope say different things", fix=fix)
    if not (console or stated):
        raise Mistake("what may it do?", fix="--scope agent.use, for example, or --console")
    return list(CONSOLE) if console else stated
