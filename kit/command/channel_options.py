"""What can be said of an account that is added? Each field is an argument or an option of `parley channels add`."""

from dataclasses import dataclass
from typing import Annotated

import typer

from kit.command.options import Tenant

Channel = Annotated[str, typer.Argument(metavar="CHANNEL", help="For example telegram, sms or whatsapp.")]
Address = Annotated[str, typer.Option(help="The provider's name for it: a number with its plus. A bot says its own.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=@FILE", help="A credential, from a file. NAME=VALUE shows it in ps."),
]
Options = Annotated[
    list[str] | None,
    typer.Option(
        "--option", metavar="NAME=VALUE", help="What is no secret; parley channels options CHANNEL lists them."
    ),
]
Name = Annotated[str, typer.Option(help="Its name, for people. Default: as the provider calls it.")]
AgentName = Annotated[str, typer.Option(help="Who answers. Default: the agent default.")]
Quiet = Annotated[
    float | None,
    typer.Option("--quiet-window", min=0, max=60, help="Seconds of quiet before an answer. Default: the agent's."),
]
Listen = Annotated[
    bool | None,
    typer.Option(
        "--listen/--no-listen",
        help="Listen at the provider, which needs no public address. Default: where PUBLIC_BASE_URL is not https.",
    ),
]
NoProbe = Annotated[bool, typer.Option("--no-probe", help="Ask nobody: for a machine that is offline.")]


@dataclass(frozen=True, slots=True, repr=False)
class Wanted:
    """What a person typed; `settings` may hold secrets."""

    channel: Channel
    address: Address = ""
    settings: Settings = None
    options: Options = None
    name: Name = ""
    agent: AgentName = ""
    quiet_seconds: Quiet = None
    no_probe: NoProbe = False
    listen: Listen = None
    tenant: Tenant = "default"
