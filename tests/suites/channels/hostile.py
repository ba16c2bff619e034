"""What might anybody post at a webhook? Bodies and mutations that no parser should trip over."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from channels.channel import Capabilities, Channel, Credentials, Decoded, HttpAnswer, Markup, Webhook

DEEP = 100_000
BODIES: dict[str, bytes] = {
    "empty": b"",
    "nul bytes": b"\0" * 1000,
    "not utf-8": b"\xff\xfe\x80{\xc3\x28}",
    "not utf-8 in a field": b"Body=\xff\xfe&MessageSid=%ff%fe&From=%C3%28&To=1",
    "broken percent escapes": b"Body=%&MessageSid=%zz&From=%1&To=%u0041",
    "deep arrays": b"[" * DEEP + b"]" * DEEP,
    "deep arrays, never closed": b"[" * DEEP,
    "deep objects": b'{"message":' * DEEP + b"1" + b"}" * DEEP,
    "deep objects with an escape": b'{"\\ud800":' * DEEP + b"1" + b"}" * DEEP,
    "NaN": b'{"update_id":NaN,"text":NaN}',
    "NaN with an escape": b'{"update_id":1,"text":"\\ud800","x":NaN}',
    "infinity": b'{"update_id":1e999,"text":-Infinity}',
    "huge whole number": b'{"update_id":' + b"9" * 10_000 + b',"\\ud800":1}',
    "number beyond 64 bits": b'{"update_id":1,"message":{"message_id":1,"date":99999999999999999999999,"text":"x"}}',
    "duplicate keys": b'{"update_id":1,"update_id":2,"text":"a","text":"b","message":{},"message":[]}',
    "a list": b"[]",
    "a string": b'"text"',
    "null": b"null",
    "true": b"true",
    "ampersands": b"&" * 200_000,
    "equals": b"=" * 200_000,
    "one field a thousand times": b"&".join(b"MessageSid=%d" % number for number in range(999)),
    "xml": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>',
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    "megabyte of text": b'{"update_id":1,"text":"' + b"x" * 1_000_000 + b'"}',
    "megabyte form": b"MessageSid=SM1&From=%2B1&To=%2B14155238886&Body=" + b"x" * 1_000_000,
}
WRONG: tuple[object, ...] = (
    *(None, True, False, 0, -1, 2**63, -(2**70), 1.5, 1e308),
    *("", "\0", "x" * 100_000, "\ud800"),
    *([], {}, [[]], {"a": {}}, [None]),
)


@dataclass(frozen=True, slots=True)
class Trusting:
    """A channel that believes every webhook: what comes behind the signature, without having to sign it."""

    inner: Channel
    credential_fields: tuple[()] = ()

    @property
    def name(self) -> str:
        """As the real one."""
        return self.inner.name

    @property
    def markup(self) -> Markup:
        """As the real one."""
        return self.inner.markup

    @property
    def formatting(self) -> str:
        """The inner channel's."""
        return self.inner.formatting

    @property
    def capabilities(self) -> Capabilities:
        """As the real one."""
        return self.inner.capabilities

    @property
    def unreadable(self) -> HttpAnswer:
        """As the real one."""
        return self.inner.unreadable

    def authenticate(self, webhook: Webhook, credentials: Credentials, /) -> None:
        """Believes it."""

    def decode(self, webhook: Webhook, /) -> Decoded:
        """As the real one."""
        return self.inner.decode(webhook)

    def __getattr__(self, name: str) -> Any:
        """The rest of the protocol."""
        return getattr(self.inner, name)


def mutations(body: bytes, seed: int, number: int) -> Iterator[bytes]:
    """Bodies near this one: fields gone, added, or of another type at any level, bytes cut and flipped."""
    chance = random.Random(seed)
    ways = (_structural, _structural, _structural, _truncated, _flipped)
    for _ in range(number):
        yield chance.choice(ways)(body, chance)


def without_and_null(body: bytes) -> Iterator[tuple[str, bytes, bytes]]:
    """For each field at any level of an object: its name, the body without it, and the body where it is null."""
    value = json.loads(body) if body.startswith(b"{") else {}
    for holder, name in _places(value):
        if isinstance(holder, dict):
            before = dict(holder)
            del holder[name]
            without = json.dumps(value).encode()
            holder.clear()
            holder.update(before | {name: None})
            yield str(name), without, json.dumps(value).encode()
            holder.clear()
            holder.update(before)


def with_unknown_fields(body: bytes) -> bytes:
    """The same body with a field that nobody knows at every level."""
    if not body.startswith(b"{"):
        return body + b"&ProviderAddedThis=later&AndThis="
    return json.dumps(_extended(json.loads(body))).encode()


def _extended(value: Any) -> Any:
    if isinstance(value, dict):
        return {**{name: _extended(each) for name, each in value.items()}, "provider_added_this": {"later": [1]}}
    return [_extended(each) for each in value] if isinstance(value, list) else value


def _structural(body: bytes, chance: random.Random) -> bytes:
    if body.startswith(b"{"):
        return _json(body, chance)
    pairs = parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
    index = chance.randrange(len(pairs))
    value = str(chance.choice(WRONG)).encode("utf-8", "surrogatepass")
    replaced: list[tuple[str, str | bytes]] = [(name, given) for name, given in pairs]
    chance.choice(
        (
            lambda: replaced.pop(index),
            lambda: replaced.append((pairs[index][0], value)),
            lambda: replaced.__setitem__(index, (pairs[index][0], value)),
        )
    )()
    return urlencode(replaced).encode()


def _json(body: bytes, chance: random.Random) -> bytes:
    value = json.loads(body)
    places = list(_places(value))
    if places:
        holder, key = chance.choice(places)
        change: Callable[[], object] = chance.choice(
            (lambda: holder.pop(key), lambda: holder.__setitem__(key, chance.choice(WRONG)))
        )
        change()
    return json.dumps(value).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _truncated(body: bytes, chance: random.Random) -> bytes:
    return body[: chance.randrange(len(body) + 1)]


def _flipped(body: bytes, chance: random.Random) -> bytes:
    if not body:
        return body
    index = chance.randrange(len(body))
    return body[:index] + bytes([chance.randrange(256)]) + body[index + 1 :]
