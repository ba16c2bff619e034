"""Does a call keep to what its provider describes? Facts of the official descriptions, in tests/described, and of SDKs.

Each file names its source. `undescribed` is what its description lacks and the provider's pages say.
"""

import email
import email.policy
import inspect
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

import jsonschema_rs
import orjson
from slack_sdk import WebClient

DESCRIBED = Path(__file__).parents[2] / "described"
PROVIDERS = {
    "discord": "discord",
    "instagram": "instagram",
    "line": "line",
    "sms": "twilio",
    "telegram": "telegram",
    "whatsapp": "twilio",
    "whatsapp_cloud": "whatsapp",
}
MEDIA_TYPES = {
    "json": "application/json",
    "form": "application/x-www-form-urlencoded",
    "multipart": "multipart/form-data",
}
NOT_ARGUMENTS = {"self", "kwargs"}
# A stand-in's name -> the channels that may call it, and what the provider's own paths begin with.
STAND_INS: dict[str, tuple[tuple[str, ...], str]] = {
    "discord": (("discord",), "/api/v10"),
    "instagram": (("instagram",), ""),
    "line": (("line",), ""),
    "meta": (("whatsapp_cloud", "instagram"), ""),
    "slack": (("slack",), "/api"),
    "telegram": (("telegram",), ""),
    "twilio": (("sms",), ""),
    "whatsapp": (("whatsapp_cloud",), ""),
}
_validators: dict[int, jsonschema_rs.Draft202012Validator] = {}  # by what they are of, which is read once


class Heard(Protocol):
    """A request as it came to a stand-in."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...
    @property
    def query(self) -> str: ...


def against_all(stand_in: str, heard: Iterable[Heard]) -> list[str]:
    """What the provider would say against what came to its stand-in, each complaint once."""
    return sorted({said for each in heard for said in _against_one(stand_in, each)})


def _against_one(stand_in: str, heard: Heard) -> list[str]:
    channels, prefix = STAND_INS[stand_in]
    path = heard.path if heard.path.startswith(prefix + "/") else prefix + heard.path
    headers, body = read(heard.headers, heard.body)
    asked = {"method": heard.method, "url": f"{path}?{heard.query}" if heard.query else path, "headers": headers}
    found = min((complaints(each, **asked, body=body) for each in channels), key=len)  # type: ignore[arg-type]
    return [f"{heard.method} {path}: {each}" for each in found]


def read(headers: Mapping[str, str], body: bytes) -> tuple[Mapping[str, str], Any]:
    """What a body says. Discord's form has the JSON that is described in a part of its own."""
    kind = headers.get("content-type", "")
    if not body:
        return headers, None
    if kind.startswith("application/json"):
        return headers, orjson.loads(body)
    if not kind.startswith("multipart/"):
        return headers, dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
    form = email.message_from_bytes(f"content-type: {kind}\r\n\r\n".encode() + body, policy=email.policy.HTTP)
    fields = {
        str(part.get_param("name", header="content-disposition")): bytes(part.get_payload(decode=True))
        for part in form.iter_parts()
    }
    if "payload_json" in fields:
        assert set(fields) == {"payload_json", "files[0]"}
        return {**headers, "content-type": "application/json"}, orjson.loads(fields["payload_json"])
    return headers, {name: value.decode(errors="replace") for name, value in fields.items()}


def complaints(channel: str, *, method: str, url: str, headers: Mapping[str, str], body: Any) -> list[str]:
    """What the provider would say against a call; nothing when it keeps to the description. `body` is what was sent,
    read: a JSON value, or the fields of a form by name."""
    if channel == "slack":
        return _against_slack(url, body)
    parts = urlsplit(url)
    found = [(each, match) for each in _operations(channel) if (match := _matched(each, method, path=parts.path))]
    if not found:
        return [f"no such operation: {method} {parts.path}"]
    return min((_against(each, match, query=parts.query, headers=headers, body=body) for each, match in found), key=len)


def _against(
    operation: Mapping[str, Any], match: re.Match[str], *, query: str, headers: Mapping[str, str], body: Any
) -> list[str]:
    said = []
    for name, schema in operation.get("headers", {}).items():
        said += _broken(schema, headers[name], where=f"header {name}") if name in headers else []
    for index, (name, schema) in enumerate(operation.get("parameters", {}).items(), 1):
        said += _broken(schema, unquote(match[index]), where=f"path {name}")
    if "query" in operation:
        schema = operation["query"]
        said += _broken(schema, _typed(dict(parse_qsl(query, keep_blank_values=True)), schema), where="query")
    elif query:
        said.append(f"no query is described: {query}")
    kind = next((each for each in MEDIA_TYPES if each in operation), "")
    if body is not None and not kind:
        said.append("no body is described")
    elif body is not None:
        media_type = MEDIA_TYPES[kind]
        if headers.get("content-type", "").partition(";")[0] != media_type:
            said.append(f"not {media_type}")
        said += _broken(operation[kind], body if kind == "json" else _typed(body, operation[kind]), where="body")
    return said


@cache
def _operations(channel: str) -> list[dict[str, Any]]:
    described: dict[str, Any] = orjson.loads((DESCRIBED / f"{PROVIDERS[channel]}.json").read_bytes())
    return list(described["operations"])


def _matched(operation: Mapping[str, Any], method: str, *, path: str) -> re.Match[str] | None:
    """The path's parameters, where a description's path is this one."""
    return _path(operation["path"]).fullmatch(path) if operation["method"] == method else None


@cache
def _path(described: str) -> re.Pattern[str]:
    return re.compile("([^/]+)".join(map(re.escape, re.split(r"\{[^}]*\}", described))))


def _typed(fields: Mapping[str, str], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Forms and queries have texts only: what is described as another type is read as it."""
    kinds = {name: each.get("type") for name, each in schema.get("properties", {}).items()}
    return {name: _read(value, kinds.get(name)) for name, value in fields.items()}


def _read(value: str, kind: object) -> Any:
    if kind == "integer" and re.fullmatch(r"-?[0-9]+", value):
        return int(value)
    if kind == "boolean" and value in {"true", "false"}:
        return value == "true"
    return [value] if kind == "array" else value


def _broken(schema: Mapping[str, Any], value: Any, *, where: str) -> list[str]:
    if id(schema) not in _validators:
        _validators[id(schema)] = jsonschema_rs.Draft202012Validator(dict(schema), validate_formats=True)
    return [f"{where}: {each.message}" for each in _validators[id(schema)].iter_errors(value)]


def _against_slack(url: str, body: Any) -> list[str]:
    """By the arguments that Slack's own client has for the method."""
    name = urlsplit(url).path.removeprefix("/api/")
    call = getattr(WebClient, name.replace(".", "_"), None)
    if call is None:
        return [f"no such method: {name}"]
    parameters = inspect.signature(call).parameters
    given = dict(body or parse_qsl(urlsplit(url).query))
    said = [f"no such argument: {each}" for each in given if each not in parameters]
    wanted = {n for n, each in parameters.items() if each.default is inspect.Parameter.empty} - NOT_ARGUMENTS
    return said + [f"missing: {each}" for each in sorted(wanted - set(given))]
