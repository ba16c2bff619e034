"""Does a call keep to what its provider describes? Facts of the official descriptions, in tests/described, and of SDKs.

Each file names its source. `undescribed` is what its description lacks and the provider's pages say.
"""

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import jsonschema_rs
import orjson
from slack_sdk import WebClient

DESCRIBED = Path(__file__).parents[2] / "described"
PROVIDERS = {
    "discord": "discord",
    "instagram": "instagram",
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


def _operations(channel: str) -> list[dict[str, Any]]:
    described: dict[str, Any] = orjson.loads((DESCRIBED / f"{PROVIDERS[channel]}.json").read_bytes())
    return list(described["operations"])


def _matched(operation: Mapping[str, Any], method: str, *, path: str) -> re.Match[str] | None:
    """The path's parameters, where a description's path is this one."""
    if operation["method"] != method:
        return None
    pieces = re.split(r"\{[^}]*\}", operation["path"])
    return re.fullmatch("([^/]+)".join(map(re.escape, pieces)), path)


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
    validator = jsonschema_rs.Draft202012Validator(dict(schema), validate_formats=True)
    return [f"{where}: {each.message}" for each in validator.iter_errors(value)]


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
