"""What can a person type after `parley channels`? Lists the accounts, adds one, tries it out, takes it away."""

import sys
from typing import Annotated

import typer

from kit.command import interrupts
from kit.command.channel_options import Wanted
from kit.command.options import AsJson, Tenant, as_one

Account = Annotated[
    str,
    typer.Argument(metavar="CHANNEL|ACCOUNT", help="Its id, as listed; or its channel, where that has one account."),
]
Target = Annotated[str, typer.Argument(metavar="CHANNEL|ACCOUNT", help="A channel, for all its accounts; or an id.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

channels = typer.Typer(
    help="Accounts at the providers: list, add, test, remove, pause and resume them; the options that they have.",
    epilog="Examples: parley channels list · parley channels add telegram · "
    "parley channels add sms --address +14155550100 --set auth_token=@token.txt · parley channels test telegram",
    no_args_is_help=True,
)


@channels.command("list", epilog="Examples: parley channels list · parley channels list --json")
def listing(json: AsJson = False, *, tenant: Tenant = "default") -> None:
    """List the accounts, how each stands and where its webhooks come in; and what the environment sets by half."""
    from kit.command import channel_list

    interrupts.run(channel_list.listing(tenant, as_json=json))


@channels.command(
    epilog="Examples: parley channels add telegram --set bot_token=@token.txt · "
    "parley channels add whatsapp --address +14155238886 --agent shop. What --set does not give comes from storage, "
    "from the channel's variables, or is asked for."
)
@as_one(Wanted)
def add(wanted: Wanted) -> None:
    """Add an account, or change the one with its address: ask the provider, store it, set its webhook."""
    from kit.command.channel_add import add as run

    sys.exit(interrupts.run(run(wanted)))


@channels.command("options", epilog="Example: parley channels options whatsapp")
def options(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="For example telegram.")], json: AsJson = False
) -> None:
    """List what may be set on an account of a channel with parley channels add --option NAME=VALUE."""
    from kit.command import option_words

    option_words.listing(channel, as_json=json)


@channels.command(
    "test",
    epilog="Examples: parley channels test telegram · parley channels test 0199f3c2-… "
    "Exit code: 0 all well, 1 look at it, 2 broken.",
)
def try_out(target: Target, json: AsJson = False, *, tenant: Tenant = "default") -> None:
    """Ask the provider about a stored account: its credentials, its webhook, what waits there."""
    from kit.command.channel_trial import trial

    sys.exit(interrupts.run(trial(tenant, target, as_json=json)))


@channels.command(epilog="Examples: parley channels remove telegram · parley channels remove 0199f3c2-… --yes")
def remove(account: Account, yes: Yes = False, *, tenant: Tenant = "default") -> None:
    """Disable an account, and take its webhook away where that is possible. Its conversations stay."""
    from kit.command import channel_state

    sys.exit(interrupts.run(channel_state.remove(tenant, account, yes=yes)))


@channels.command(epilog="Examples: parley channels pause telegram · parley channels pause 0199f3c2-…")
def pause(account: Account, tenant: Tenant = "default") -> None:
    """Let an account receive and not send: what it has to say waits."""
    from kit.command import channel_state

    interrupts.run(channel_state.pause(tenant, account))


@channels.command(epilog="Examples: parley channels resume telegram · parley channels resume 0199f3c2-…")
def resume(account: Account, tenant: Tenant = "default") -> None:
    """Let an account that was paused or removed take part again."""
    from kit.command import channel_state

    interrupts.run(channel_state.resume(tenant, account))
