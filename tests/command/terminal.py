"""What does a person see at a terminal, who is asked and types? A command of `parley channels` in one of its own."""

import os
import pty
import subprocess
import sys
from collections.abc import Sequence

from tests.running import Mesh


def at_a_terminal(mesh: Mesh, *words: str, typed: Sequence[str]) -> str:
    """What a person sees who types this whenever a question ends in a colon."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "kit.command", "channels", *words]
    with subprocess.Popen(
        command,
        cwd=mesh.folder,
        env=mesh.environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ):
        os.close(theirs)
        shown, left = "", list(typed)
        while part := _read(ours):
            shown += part
            if left and shown.endswith(": "):
                os.write(ours, left.pop(0).encode() + b"\n")
    os.close(ours)
    return shown.replace("\r\n", "\n")


def _read(terminal: int) -> str:
    """Nothing when nobody writes to it any more."""
    try:
        return os.read(terminal, 4096).decode()
    except OSError:
        return ""
