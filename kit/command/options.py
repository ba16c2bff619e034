"""Which options do several commands share, and how does a command take more of them than a function may?"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where data is kept. Default: DATA_DIR, else ./data")]
Host = Annotated[str | None, typer.Option("--host", help="Where the gateway listens. Default: HTTP_HOST")]
HttpPort = Annotated[int | None, typer.Option("--http-port", help="The gateway's port. Default: HTTP_PORT, else 8080")]
Tenant = Annotated[str, typer.Option(help="Whose.")]
Url = Annotated[str | None, typer.Option("--url", help="The gateway's address. Default: the one of this machine.")]
AsJson = Annotated[bool, typer.Option("--json", help="For a program: one JSON document.")]

Value = TypeVar("Value")


def as_one(kind: Callable[..., Value]) -> Callable[[Callable[[Value], None]], Callable[..., None]]:
    """Lets a command take one value, of a dataclass whose fields are its arguments and options."""

    def wrap(command: Callable[[Value], None]) -> Callable[..., None]:
        def called(**given: Any) -> None:
            command(kind(**given))

        called.__doc__ = command.__doc__
        called.__name__ = command.__name__
        vars(called)["__signature__"] = inspect.signature(kind)  # what typer reads
        return called

    return wrap
