"""How does an error look on the wire? google.rpc.Status with its details, in trailing metadata, both ways."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status

from kit.moments import seconds, span

DETAILS_KEY = "grpc-status-details-bin"
DOMAIN = "parley"

# Details travel as metadata, of which a peer takes 8 KB: more than this many violations help nobody.
MOST_VIOLATIONS = 20
_MOST_TEXT = 512

Detail = TypeVar("Detail", bound=Message)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call failed, as the wire says it."""

    code: grpc.StatusCode
    message: str
    reason: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_after: timedelta | None = None
    violations: Sequence[tuple[str, str]] = ()
    correlation_id: str = ""


def pack(failure: Failure) -> bytes:
    """The bytes of the details header."""
    status = Status(code=failure.code.value[0], message=failure.message[:_MOST_TEXT])
    status.details.extend(_packed(detail) for detail in _details(failure))
    header: bytes = status.SerializeToString()
    return header


def unpack(
    code: grpc.StatusCode, message: str, *, trailing: Iterable[tuple[str, str | bytes]] | None
) -> Failure | None:
    """What the details header says. None when there is none, or when it is not ours to read."""
    raw = next((value for key, value in trailing or () if key == DETAILS_KEY), None)
    if not isinstance(raw, bytes):
        return None
    try:
        status = Status.FromString(raw)
    except DecodeError:
        return None
    info = _found(status, ErrorInfo)
    if info is None or info.domain != DOMAIN:
        return None
    retry, bad, request = _found(status, RetryInfo), _found(status, BadRequest), _found(status, RequestInfo)
    return Failure(
        code=code,
        message=status.message or message,
        reason=info.reason,
        metadata=dict(info.metadata),
        retry_after=None if retry is None else timedelta(seconds=seconds(retry.retry_delay)),
        violations=() if bad is None else tuple((each.field, each.description) for each in bad.field_violations),
        correlation_id="" if request is None else request.request_id,
    )


def _details(failure: Failure) -> Iterable[Message]:
    yield ErrorInfo(reason=failure.reason, domain=DOMAIN, metadata=failure.metadata)
    if failure.correlation_id:
        yield RequestInfo(request_id=failure.correlation_id)
    if failure.retry_after is not None:
        yield RetryInfo(retry_delay=span(failure.retry_after))
    if failure.violations:
        violation = BadRequest.FieldViolation
        kept = failure.violations[:MOST_VIOLATIONS]
        yield BadRequest(field_violations=[violation(field=path, description=wrong) for path, wrong in kept])


def _packed(detail: Message) -> Any:
    packed = Any()
    packed.Pack(detail)
    return packed


def _found(status: Status, kind: type[Detail]) -> Detail | None:
    for each in status.details:
        detail = kind()
        if each.Is(kind.DESCRIPTOR) and each.Unpack(detail):
            return detail
    return None
