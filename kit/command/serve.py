"""What does `parley serve NAME` do? The same as `python -m <its package>`, with what the command line says on top."""

from typing import Any

from kit import process
from kit.command import services


def serve(name: str, **overrides: Any) -> None:
    """Runs until the process is told to stop."""
    service = services.named(name)
    settings_class = services.settings_class(service)
    known = {name: value for name, value in overrides.items() if name in settings_class.model_fields}
    process.run(service.name, settings_class, services.serve_of(service), **known)
