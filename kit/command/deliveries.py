"""What can a person type after `parley deliveries`? Lists what went out; sends one again, or puts it aside."""

from typing import Annotated

import typer

from kit.command import interrupts
from kit.command.options import AsJson, Tenant

Delivery = Annotated[str, typer.Argument(metavar="DELIVERY", help="Its id, as parley deliveries lists it.")]
AttemptsSeen = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help="The attempts that you saw: nothing is done if it has others by now."),
]

deliveries = typer.Typer(
    help="List what went out or waits to, newest first; send one again (retry), or put it aside (aside, put-back).",
    epilog="Examples: parley deliveries --state unknown · parley deliveries retry 0199f3c2-… · "
    "parley deliveries aside 0199f3c2-…",
    invoke_without_command=True,
)


@deliveries.callback()
def listing(
    context: typer.Context,
    state: Annotated[
        str | None, typer.Option(help="queued, sending, sent, delivered, read, failed or unknown.")
    ] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Of those that failed or are unknown, what was put aside, too.")
    ] = False,
    tenant: Tenant = "default",
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    json: AsJson = False,
) -> None:
    """List what went out or waits to, newest first; send one again (retry), or put it aside (aside, put-back)."""
    if context.invoked_subcommand is None:
        from kit.command import records

        interrupts.run(records.deliveries(tenant, state=state, everything=everything, limit=limit, as_json=json))


@deliveries.command(epilog="Example: parley deliveries retry 0199f3c2-… --attempts-seen 1")
def retry(delivery: Delivery, *, attempts_seen: AttemptsSeen = None, tenant: Tenant = "default") -> None:
    """Queue a failed or unknown one again, as a person decided. An unknown one may have arrived: then they have it
    twice."""
    from kit.command import records

    interrupts.run(records.retry(tenant, delivery, attempts_seen=attempts_seen))


@deliveries.command(epilog="Example: parley deliveries aside 0199f3c2-…")
def aside(delivery: Delivery, *, attempts_seen: AttemptsSeen = None, tenant: Tenant = "default") -> None:
    """Put a failed or unknown one aside: somebody has dealt with it. It stays as it is, and is listed with --all."""
    from kit.command import records

    interrupts.run(records.put_aside(tenant, delivery, back=False, attempts_seen=attempts_seen))


@deliveries.command("put-back", epilog="Example: parley deliveries put-back 0199f3c2-…")
def put_back(delivery: Delivery, tenant: Tenant = "default") -> None:
    """Put one back that was put aside: it is left to do again."""
    from kit.command import records

    interrupts.run(records.put_aside(tenant, delivery, back=True))
