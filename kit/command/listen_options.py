"""What can be asked of the webhooks that came in? Each field is an argument or an option of `parley listen`."""

from dataclasses import dataclass
from typing import Annotated

import typer

from kit.command.options import AsJson

Arrival = Annotated[str | None, typer.Argument(metavar="[ID]", help="Show this one whole; the start of its id does.")]
Refused = Annotated[bool, typer.Option("--refused", help="Only what went wrong.")]
Text = Annotated[bool, typer.Option("--text", help="With its body, in which a person's words stand.")]
Replay = Annotated[str | None, typer.Option("--replay", metavar="ID", help="Take this one in once more.")]
Curl = Annotated[str | None, typer.Option("--curl", metavar="ID", help="Print this one as a curl command.")]
AsPage = Annotated[bool, typer.Option("--page", help="Print the address of the page that shows the same.")]
Once = Annotated[bool, typer.Option("--once", help="Show what is there, and end.")]
Urls = Annotated[
    list[str] | None,
    typer.Option("--url", help="The gateway's address; repeat it for several. Default: the one of this machine."),
]


@dataclass(frozen=True, slots=True)
class Looking:
    """What a person wants to see."""

    arrival: Arrival = None
    refused: Refused = False
    text: Text = False
    replay: Replay = None
    curl: Curl = None
    page: AsPage = False
    as_json: AsJson = False
    once: Once = False
    urls: Urls = None
