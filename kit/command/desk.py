"""What can a person type after `parley queue`? Shows who waits for a human, takes one over, gives one back."""

from typing import Annotated

import typer

from kit.command import interrupts
from kit.command.options import AsJson, Tenant

Conversation = Annotated[
    str, typer.Argument(metavar="CONVERSATION", help="Its id, as parley queue and parley turns list it.")
]

queue = typer.Typer(
    help="Who waits for a human: list them; take one over (take), or give one back to the agent (give-back).",
    epilog="Examples: parley queue · parley queue --all · parley queue take 0199f3c2-… · "
    "parley queue give-back 0199f3c2-…",
    invoke_without_command=True,
)


@queue.callback()
def listing(
    context: typer.Context,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Those that a human has, took from the agent, or gave back, too.")
    ] = False,
    json: AsJson = False,
    tenant: Tenant = "default",
) -> None:
    """Who waits for a human: list them; take one over (take), or give one back to the agent (give-back)."""
    if context.invoked_subcommand is None:
        from kit.command import waiting

        interrupts.run(waiting.listing(tenant, everything=everything, as_json=json))


@queue.command(epilog="Example: parley queue take 0199f3c2-…")
def take(conversation: Conversation, tenant: Tenant = "default") -> None:
    """Take a conversation over: the agent says nothing in it any more."""
    from kit.command import waiting

    interrupts.run(waiting.give(tenant, conversation, to="human"))


@queue.command("give-back", epilog="Example: parley queue give-back 0199f3c2-…")
def give_back(conversation: Conversation, tenant: Tenant = "default") -> None:
    """Give a conversation back to the agent, which answers what comes from now on."""
    from kit.command import waiting

    interrupts.run(waiting.give(tenant, conversation, to="agent"))
