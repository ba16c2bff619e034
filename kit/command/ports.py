"""Is every address that the mesh needs free? Asked before anything starts, so that the answer is one line."""

import socket
from dataclasses import dataclass

from kit.addresses import TAKEN, trouble
from kit.command.screen import Mistake


@dataclass(frozen=True, slots=True)
class Port:
    """An address to listen on, and what moves it: an option, or a setting with its value."""

    host: str
    port: int
    purpose: str
    move: str


def require_free(ports: list[Port]) -> None:
    """Raises when some cannot be listened on, and names them all: who moves one is not told of the next."""
    wrong = [(port, problem) for port in ports if (problem := trouble(port.host, port.port))]
    if not wrong:
        return
    what = "; ".join(f"port {port.port} on {port.host} ({port.purpose}) {problem}" for port, problem in wrong)
    asked = "is another Parley running? Else " if any(problem == TAKEN for _, problem in wrong) else ""
    raise Mistake(what, fix=f"{asked}move {'it' if len(wrong) == 1 else 'them'}: {' '.join(p.move for p, _ in wrong)}")


def is_open(host: str, port: int, *, timeout_seconds: float = 0.5) -> bool:
    """Whether somebody listens there."""
    try:
        with socket.create_connection((host, port), timeout=timeout_seconds):
            return True
    except OSError:
        return False


def own(host: str) -> str:
    """How a listener on all addresses is reached from here."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
