"""How would a person post the same webhook from a terminal? As a command that holds no credential."""

import base64
import shlex

from channels.channel import Channel
from gateway.domain.inspection import disclosure
from gateway.domain.inspection.arrivals import Arrival
from gateway.domain.inspection.ways_in import own_path

# Set by curl itself, or by the connection.
_NOT_SENT = frozenset({"content-length", "transfer-encoding", "connection", "expect", "keep-alive", "upgrade", "te"})


def command(arrival: Arrival, channel: Channel | None, *, origin: str) -> str:
    """For the gateway at that origin. What had to be hidden is named in a comment above it."""
    words = [f"curl -sS -i -X {shlex.quote(arrival.webhook.method)}"]
    hidden = []
    for name, value in arrival.webhook.headers.items():
        if name in _NOT_SENT or (name == "host" and value == origin.partition("://")[2]):
            continue
        shown = _header(arrival, (name, value), channel=channel)
        words += [f"-H {shown}"] if shown else []
        hidden += [] if shown else [f"header {name}"]
    body, hidden_fields = _body(arrival)
    words += [body] if body else []
    words.append(shlex.quote(origin + (own_path(arrival.webhook.url) or "/") + _query(arrival)))
    return "\n".join([*_notes(hidden, hidden_fields), " \\\n  ".join(words)])


def _header(arrival: Arrival, header: tuple[str, str], *, channel: Channel | None) -> str:
    name, value = header
    if channel is not None and (variable := disclosure.stated_credential(arrival, value, channel=channel)):
        return f'"{name}: ${variable}"'
    return shlex.quote(f"{name}: {disclosure.without(value, arrival)}") if disclosure.is_shown(name) else ""


def _body(arrival: Arrival) -> tuple[str, list[str]]:
    """The option that sends it, and the names of what was hidden in it."""
    content, names = disclosure.bare_body(arrival)
    if not content:
        return "", names
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # no word of a shell can hold it
        return f"--data-binary @<(printf %s {base64.b64encode(content).decode()} | base64 -d)", names
    return f"--data-binary {shlex.quote(text)}", names


def _query(arrival: Arrival) -> str:
    query = disclosure.url(arrival).partition("?")[2]
    return f"?{query}" if query else ""


def _notes(hidden: list[str], fields: list[str]) -> list[str]:
    notes = [f"# left out: {', '.join(hidden)}"] if hidden else []
    if fields:
        names = ", ".join(dict.fromkeys(fields))
        notes.append(f"# hidden in the body: {names}; so the signature does not fit (parley listen --replay does)")
    return notes
