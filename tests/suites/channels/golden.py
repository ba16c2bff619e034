"""How is tests/golden read? A body, what was known of the request, and what it means, side by side."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from channels.channel import Credentials, Webhook
from channels.host import Account

GOLDEN = Path(__file__).parents[2] / "golden"
BODIES = (".form", ".json")


@dataclass(frozen=True, slots=True)
class Capture:
    """One body that a provider sent, and what it means."""

    channel: str
    name: str
    webhook: Webhook
    expect: Mapping[str, Any]


def captures(channel: str) -> list[Capture]:
    """All of a channel's, by name."""
    bodies = sorted(path for path in (GOLDEN / channel).iterdir() if path.suffix in BODIES)
    return [_capture(channel, path) for path in bodies]


def readable(channel: str) -> list[Capture]:
    """Those that hold at least one message or receipt."""
    return [each for each in captures(channel) if each.expect.get("messages") or each.expect.get("receipts")]


def account(channel: str) -> Account:
    """The account that they were signed for."""
    stated = _of_the_account(channel)
    return Account(
        id="golden-account", address=stated["address"], credentials=Credentials(stated.get("credentials", {}))
    )


def sender(channel: str) -> str:
    """A person who writes on the channel."""
    return str(_of_the_account(channel)["sender"])


def deliveries(channel: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Names and contents of the golden deliveries."""
    folder = GOLDEN / channel / "deliver"
    return [(path.stem, tomllib.loads(path.read_text())) for path in sorted(folder.glob("*.toml"))]


def dispatches(channel: str) -> list[tuple[str, list[bytes], list[Mapping[str, Any]]]]:
    """Names of what a provider said over a connection of ours, one after the other, and the messages in it."""
    found = []
    for path in sorted((GOLDEN / channel / "heard").glob("*.json")):
        stated = tomllib.loads(path.with_suffix(".toml").read_text())
        said = [orjson.dumps(each) for each in orjson.loads(path.read_bytes())]
        found.append((path.stem, said, stated.get("messages", [])))
    return found


@cache
def _of_the_account(channel: str) -> Mapping[str, Any]:
    return tomllib.loads((GOLDEN / channel / "account.toml").read_text())


@cache
def _capture(channel: str, path: Path) -> Capture:
    """Read once: a test of a thousand posts asks for them as often."""
    stated = tomllib.loads(path.with_suffix(".toml").read_text())
    request = stated["request"]
    webhook = Webhook(
        method="POST",
        url=request["url"],
        headers=request["headers"],
        body=path.read_bytes(),
        received_at=datetime.fromisoformat(request["received_at"]),
        kind=request["kind"],
    )
    return Capture(channel=channel, name=path.stem, webhook=webhook, expect=stated["expect"])
