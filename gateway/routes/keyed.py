"""What does a request with an API key say? The key itself, an id of the path, and by which key a change happens once.

The API key goes on to storage, which says what it may do, and for which tenant: nothing is decided here.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from gateway import body as bodies
from gateway.envelope import ApiError
from kit import errors

LONGEST_ID, LONGEST_TOKEN = 64, 512
MOST = 200
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ApiError} for status in (400, 401, 403, 404, 409, 413, 429, 503)
}

Size = Annotated[int, Query(ge=1, le=MOST, description="Most to return")]
Token = Annotated[str, Query(max_length=LONGEST_TOKEN, description="From the page before")]


def credential(request: Request) -> str:
    """Never from the URL, and never a cookie: no other site can make a browser show it."""
    stated = bodies.header(request.scope, b"authorization").decode("latin-1")
    if not stated or not (stated.isascii() and stated.isprintable()):
        raise errors.CredentialMissing("Send an API key as Authorization: Bearer …")
    return stated


def change_key(request: Request) -> str:
    """By which a change happens once."""
    key = bodies.header(request.scope, b"idempotency-key").decode("latin-1")
    if not (0 < len(key) <= LONGEST_ID and key.isascii() and key.isprintable() and " " not in key):
        raise errors.InvalidField([("Idempotency-Key", "a header of 1 to 64 visible ASCII characters is required")])
    return key


def an_id(stated: str, name: str) -> str:
    """Of the path, where it is called `name`."""
    if len(stated) > LONGEST_ID:
        raise errors.InvalidField([(name, "is no id")])
    return stated


def answer(content: Mapping[str, object]) -> Response:
    """As JSON, which nobody keeps."""
    return Response(orjson.dumps(content), 200, {"cache-control": "no-store"}, "application/json")


def takes(model: type[BaseModel], *, may_be_empty: bool = False) -> dict[str, Any]:
    """How a change is described: with its Idempotency-Key and its body."""
    key = {"type": "string", "minLength": 1, "maxLength": LONGEST_ID}
    about = "Chosen by the client, one per change; a UUID does well"
    header = {"name": "Idempotency-Key", "in": "header", "required": True, "schema": key, "description": about}
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": not may_be_empty, "content": content}, "parameters": [header]}
