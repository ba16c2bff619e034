"""What does `parley serve NAME` do? The same as `python -m <its package>`, with what the command line says on top."""

import os
import signal
import threading
import time
from typing import Any

from kit import process
from kit.command import services

LOOK_SECONDS = 0.5


def serve(name: str, *, parent: int | None = None, **overrides: Any) -> None:
    """Runs until the process is told to stop, or its parent is gone."""
    if parent is not None:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    service = services.named(name)
    settings_class = services.settings_class(service)
    known = {name: value for name, value in overrides.items() if name in settings_class.model_fields}
    process.run(service.name, settings_class, serve=services.serve_of(service), **known)


def _follow(parent: int) -> None:
    """A killed `parley up` cannot end its services, and they would hold its ports."""
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
