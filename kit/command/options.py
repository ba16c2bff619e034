"""Which options do several commands share?"""

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where data is kept. Default: DATA_DIR, else ./data")]
Host = Annotated[str | None, typer.Option("--host", help="Where the gateway listens. Default: HTTP_HOST")]
HttpPort = Annotated[int | None, typer.Option("--http-port", help="The gateway's port. Default: HTTP_PORT, else 8080")]
Tenant = Annotated[str, typer.Option(help="Whose.")]
Url = Annotated[str | None, typer.Option("--url", help="The gateway's address. Default: the one of this machine.")]
AsJson = Annotated[bool, typer.Option("--json", help="For a program: one JSON document.")]
