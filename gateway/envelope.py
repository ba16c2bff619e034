"""How does an error of the REST API look? One envelope for every cause, made in one place."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kit import correlation, errors, logs
from kit.moments import utc_now

CODES = {
    400: "INVALID_FIELD",
    401: "CREDENTIAL_MISSING",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "STATE_CONFLICT",
    413: "TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "INVALID_FIELD",
    429: "RATE_LIMITED",
}

METHODS = ("get", "post", "put", "patch", "delete")
RETRY_AFTER = timedelta(seconds=2)

log = logs.get("gateway")


class ApiErrorBody(BaseModel):
    """Why a request failed."""

    code: str = Field(description="The reason, one of parley.error.v1.ErrorReason without its prefix")
    message: str = Field(description="A sentence for a person")
    details: list[dict[str, str]] = Field(description="What is wrong with which field; empty when no field is")
    timestamp: datetime = Field(description="When it failed")
    request_id: str = Field(description="Ties the answer to our logs")


class ApiError(BaseModel):
    """The body of every answer that is not a success."""

    error: ApiErrorBody


async def on_parley_error(_request: Request, error: Exception) -> Response:
    """Our own errors carry everything."""
    known = error if isinstance(error, errors.ParleyError) else errors.Internal()
    details = [{"field": path, "problem": wrong} for path, wrong in getattr(known, "violations", ())]
    return answer(known.http_status, known.name, message=known.message, details=details, headers=_retry(known))


async def on_http_error(request: Request, error: Exception) -> Response:
    """What the framework refuses by itself: no such path, wrong method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = str(error.detail) if isinstance(error, HTTPException) else "Internal error"
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if "Allow" in headers:
        headers["Allow"] = ", ".join(sorted({*headers["Allow"].split(", "), *_described(request)}))
    return answer(status, CODES.get(status, "INTERNAL"), message=message, headers=headers)


async def on_invalid(_request: Request, error: Exception) -> Response:
    """A parameter that does not fit. The value is not repeated: it is the caller's."""
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    details = [{"field": ".".join(str(at) for at in each["loc"]), "problem": str(each["msg"])} for each in problems]
    return answer(400, "INVALID_FIELD", message="The request does not fit the API", details=details)


async def on_gone(_request: Request, _error: Exception) -> Response:
    """The client left before its request had come: nobody reads this, and nothing is wrong here."""
    return Response(status_code=400)


async def on_fault(_request: Request, error: Exception) -> Response:
    """A fault of our own: the log has it under the request id."""
    log.error("request.failed", exc_info=error)
    return answer(500, "INTERNAL", message=errors.Internal().message)


def _described(request: Request) -> list[str]:
    """The methods that the path has. The framework names those of its first route only."""
    path = request.app.openapi()["paths"].get(request.scope["path"], {})
    return [method.upper() for method in METHODS if method in path]


def answer(
    status: int,
    code: str,
    *,
    message: str,
    details: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The envelope as an answer."""
    body: dict[str, Any] = {
        "code": code,
        "message": message,
        "details": details or [],
        "timestamp": utc_now(),
        "request_id": correlation.correlation_id.get(),
    }
    return Response(orjson.dumps({"error": body}), status, dict(headers or {}), "application/json")


def retry_seconds(error: errors.ParleyError) -> str:
    """When to come again, in whole seconds, at least one: what Retry-After takes."""
    after = error.retry_after or RETRY_AFTER
    return str(max(1, math.ceil(after.total_seconds())))


def _retry(error: errors.ParleyError) -> dict[str, str]:
    if error.retry_after is None and error.http_status not in {429, 503}:
        return {}
    return {"Retry-After": retry_seconds(error)}
