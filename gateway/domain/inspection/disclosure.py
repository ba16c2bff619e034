"""What may be shown of a webhook? Whatever is not known to be harmless is hidden; a person's words on request only.

Signatures are shown: they prove one body and open nothing. A credential that is sent as it is, is not.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from channels.channel import Channel
from gateway.domain.inspection.arrivals import Arrival

HIDDEN = "[hidden]"
SHORTEST_SECRET = 6  # what is shorter would be found in words that are none

_SHOWN = frozenset(
    {
        *("host", "content-type", "content-length", "content-encoding", "user-agent", "accept", "date", "forwarded"),
        *("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix"),
        *("x-original-host", "x-real-ip", "via", "x-request-id", "i-twilio-idempotency-token", "transfer-encoding"),
        *("x-slack-retry-num", "x-slack-retry-reason", "x-home-region", "accept-encoding", "connection"),
    }
)
_PROOFS = re.compile(r".*(signature|timestamp).*")
_SECRET = re.compile(r".*(token|secret|password|api_?key|authorization|response_url|trigger_id).*", re.IGNORECASE)
_DEEPEST = 40


def headers(arrival: Arrival) -> list[tuple[str, str]]:
    """Names and values, in their order."""
    secrets = _secrets(arrival)
    return [(name, _header(name, value, secrets=secrets)) for name, value in arrival.webhook.headers.items()]


def is_shown(name: str) -> bool:
    """Whether a header of that name may be seen."""
    return name in _SHOWN or bool(_PROOFS.fullmatch(name))


def url(arrival: Arrival) -> str:
    """Where it came in, as the provider calls it. The query's values are hidden where their names sound secret."""
    bare, mark, query = arrival.webhook.url.partition("?")
    pairs = (pair.partition("=") for pair in query.split("&"))
    shown = "&".join(f"{name}{equals}{HIDDEN if _SECRET.fullmatch(name) else value}" for name, equals, value in pairs)
    return without(bare + mark + shown, arrival)


def path(arrival: Arrival) -> str:
    """The same in short."""
    return urlsplit(url(arrival)).path


def body(arrival: Arrival) -> str:
    """The body for reading: indented JSON, or a form's fields in lines. A person's words stand in it."""
    raw = arrival.webhook.body
    if "json" in arrival.webhook.headers.get("content-type", ""):
        try:
            found = orjson.dumps(_hidden(orjson.loads(raw)), option=orjson.OPT_INDENT_2).decode()
        except (orjson.JSONDecodeError, orjson.JSONEncodeError):
            found = raw.decode("utf-8", "replace")
    else:
        fields = parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True)
        found = "\n".join(f"{name} = {HIDDEN if _SECRET.fullmatch(name) else value}" for name, value in fields)
    return without(found, arrival)


def without(text: str, arrival: Arrival) -> str:
    """The text without the credentials of the arrival's account."""
    for value, name in _secrets(arrival).items():
        text = text.replace(value, f"[{name}]")
    return text


def stated_credential(arrival: Arrival, value: str, *, channel: Channel) -> str:
    """The variable that holds what a header states as it is; "" when it is no credential of the account."""
    name = _secrets(arrival).get(value, "")
    variables = {each.name: each.environment for each in channel.credential_fields}
    return variables.get(name, "")


def bare_body(arrival: Arrival) -> tuple[bytes, list[str]]:
    """The body as it came but for what must not be shown, and the names of that."""
    content, names = arrival.webhook.body, []
    secrets = [(name, value) for value, name in _secrets(arrival).items()]
    for name, value in [*_secret_fields(arrival), *secrets]:
        if value.encode() in content:
            content = content.replace(value.encode(), HIDDEN.encode())
            names.append(name)
    return content, names


def _secret_fields(arrival: Arrival) -> Iterator[tuple[str, str]]:
    if "json" in arrival.webhook.headers.get("content-type", ""):
        try:
            yield from _found(orjson.loads(arrival.webhook.body))
        except orjson.JSONDecodeError:
            return
        return
    for name, value in parse_qsl(arrival.webhook.body.decode("utf-8", "replace")):
        if _SECRET.fullmatch(name):
            yield name, value


def _header(name: str, value: str, *, secrets: Mapping[str, str]) -> str:
    if value in secrets:
        return f"[{secrets[value]}]"
    return value if is_shown(name) else HIDDEN


def _secrets(arrival: Arrival) -> dict[str, str]:
    """Names of the account's secret credentials by value, the longest first."""
    credentials = arrival.account.known.credentials if arrival.account else {}
    secret = {name: value for name, value in credentials.items() if name not in arrival.public}
    found = {value: name for name, value in secret.items() if len(value) >= SHORTEST_SECRET}
    return dict(sorted(found.items(), key=lambda pair: -len(pair[0])))


def _hidden(content: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        return HIDDEN
    if isinstance(content, dict):
        return {
            name: HIDDEN if _SECRET.fullmatch(name) and isinstance(value, str) else _hidden(value, depth + 1)
            for name, value in content.items()
        }
    return [_hidden(each, depth + 1) for each in content] if isinstance(content, list) else content


def _found(content: Any) -> Iterator[tuple[str, str]]:
    waiting = [content]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += each.values()
            yield from ((n, v) for n, v in each.items() if isinstance(v, str) and v and _SECRET.fullmatch(n))
        elif isinstance(each, list):
            waiting += each
