"""What does `parley serve NAME` do? The same as `python -m <its package>`, with what the command line says on top."""

from typing import Any

from kit import process
from kit.command import services


def serve(name: str, **overrides: Any) -> None:
    """Runs until the process is told to stop."""
    service = services.named(name)
    process.run(service.name, services.settings_class(service), services.serve_of(service), **overrides)
