"""What can go wrong, and what is each cause called on the wire?

Each class below ParleyError is one value of parley.error.v1.ErrorReason. Its docstring is its message when the place
that raises it has nothing better to say; no message carries a secret, or what a customer wrote.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar, cast

import grpc
from grpc import StatusCode as Code

from kit import statuses
from kit.moments import seconds, span
from parley.error.v1.error_reason_pb2 import ErrorReason, ItemError


class ParleyError(Exception):
    """Something went wrong that has a name."""

    reason: ClassVar[ErrorReason] = ErrorReason.ERROR_REASON_UNSPECIFIED
    code: ClassVar[Code] = Code.UNKNOWN
    http_status: ClassVar[int] = 500

    def __init_subclass__(cls, *, code: Code, http: int) -> None:
        super().__init_subclass__()
        word = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).upper()
        cls.reason = cast(ErrorReason, ErrorReason.Value(f"ERROR_REASON_{word}"))
        cls.code, cls.http_status = code, http

    def __init__(
        self,
        message: str | None = None,
        *,
        retry_after: timedelta | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        self.retry_after = retry_after
        self.metadata: dict[str, str] = dict(metadata or {})
        super().__init__(self.message)

    @property
    def name(self) -> str:
        """The reason's word without its prefix, for example QUEUE_FULL."""
        return ErrorReason.Name(self.reason).removeprefix("ERROR_REASON_")


# 400: the request itself is wrong.


class InvalidField(ParleyError, code=Code.INVALID_ARGUMENT, http=400):
    """A field is missing or out of its limits."""

    def __init__(self, violations: Sequence[tuple[str, str]], message: str | None = None) -> None:
        self.violations = tuple(violations)
        super().__init__(message or "; ".join(f"{path}: {wrong}" for path, wrong in self.violations[:3]) or None)


class DeadlineMissing(ParleyError, code=Code.INVALID_ARGUMENT, http=400):
    """The call carries no deadline; every call must."""


class Unreadable(ParleyError, code=Code.INVALID_ARGUMENT, http=400):
    """The body cannot be read."""


class TooLarge(ParleyError, code=Code.RESOURCE_EXHAUSTED, http=413):
    """The message is larger than the limit."""


# 401 and 403: who asks.


class CredentialMissing(ParleyError, code=Code.UNAUTHENTICATED, http=401):
    """The call carries no credential that is valid."""


class SignatureBad(ParleyError, code=Code.UNAUTHENTICATED, http=401):
    """The proof of origin is missing or wrong."""


class WebhookStale(ParleyError, code=Code.UNAUTHENTICATED, http=401):
    """The signed time is too far from now."""


class ScopeMissing(ParleyError, code=Code.PERMISSION_DENIED, http=403):
    """The credential lacks the scope that this call requires."""


class TenantMismatch(ParleyError, code=Code.PERMISSION_DENIED, http=403):
    """The credential belongs to another tenant."""


class AccountMismatch(ParleyError, code=Code.PERMISSION_DENIED, http=403):
    """The webhook is addressed to another account than its URL names."""


# 404, 409 and 410: what is named, and its state.


class NotFound(ParleyError, code=Code.NOT_FOUND, http=404):
    """What the request names does not exist."""


class MediaExpired(ParleyError, code=Code.NOT_FOUND, http=410):
    """The file was kept for its time, and its bytes are removed."""


class ModelUnknown(ParleyError, code=Code.NOT_FOUND, http=404):
    """No backend knows the model."""


class AlreadyExists(ParleyError, code=Code.ALREADY_EXISTS, http=409):
    """The id or the name is already taken by something different."""


class StateConflict(ParleyError, code=Code.FAILED_PRECONDITION, http=409):
    """The state of what is named does not allow it."""


class LeaseLost(ParleyError, code=Code.ABORTED, http=409):
    """The lease is lost; nothing was written."""


class OwnerChanged(ParleyError, code=Code.ABORTED, http=409):
    """The conversation changed its owner meanwhile."""


# 429 and 503: not now.


class RateLimited(ParleyError, code=Code.RESOURCE_EXHAUSTED, http=429):
    """Too many requests from this caller."""


class QueueFull(ParleyError, code=Code.RESOURCE_EXHAUSTED, http=503):
    """Too much is waiting already; nothing was accepted."""


class StorageUnavailable(ParleyError, code=Code.UNAVAILABLE, http=503):
    """The database cannot be reached; nothing was accepted."""


class Unreachable(ParleyError, code=Code.UNAVAILABLE, http=503):
    """A service of the mesh cannot be reached."""


class DeadlineExceeded(ParleyError, code=Code.DEADLINE_EXCEEDED, http=504):
    """The deadline passed before the work was done."""


# Turns and the model.


class TurnDeadline(ParleyError, code=Code.DEADLINE_EXCEEDED, http=504):
    """The turn was not ended before its deadline."""


class TurnExhausted(ParleyError, code=Code.INTERNAL, http=500):
    """The turn was leased too many times without an end."""


class ModelUnavailable(ParleyError, code=Code.UNAVAILABLE, http=503):
    """The model server did not answer, or answered with an error."""


class ModelTimeout(ParleyError, code=Code.DEADLINE_EXCEEDED, http=504):
    """The model server did not answer in time."""


class ModelGarbage(ParleyError, code=Code.INTERNAL, http=502):
    """The model server's answer cannot be used."""


class ModelEmpty(ParleyError, code=Code.INTERNAL, http=502):
    """The model answered with no text."""


class ModelPaused(ParleyError, code=Code.UNAVAILABLE, http=503):
    """The model failed three times in a row and is left alone for a while."""


class ModelRefused(ParleyError, code=Code.FAILED_PRECONDITION, http=502):
    """The model server refused the request for good."""


class ModelUnsupported(ParleyError, code=Code.FAILED_PRECONDITION, http=422):
    """The model's backend cannot do what the prompt asks for."""


class ModelToolInvalid(ParleyError, code=Code.INTERNAL, http=502):
    """The model called a tool that there is not, or with arguments that do not fit."""


class ModelOutputInvalid(ParleyError, code=Code.INTERNAL, http=502):
    """The model's text does not fit the output schema."""


class ModelBusy(ParleyError, code=Code.RESOURCE_EXHAUSTED, http=503):
    """The model server is as busy as it may be."""


# Providers.


class ProviderThrottled(ParleyError, code=Code.UNAVAILABLE, http=503):
    """The provider asked us to wait."""


class ProviderUnavailable(ParleyError, code=Code.UNAVAILABLE, http=503):
    """The provider cannot be reached, or failed."""


class ProviderRejected(ParleyError, code=Code.FAILED_PRECONDITION, http=422):
    """The provider refused the message for good."""


class ProviderUnauthorized(ParleyError, code=Code.FAILED_PRECONDITION, http=502):
    """The provider refused our credentials; the account is paused."""


class ProviderUnknown(ParleyError, code=Code.UNKNOWN, http=502):
    """Whether the provider took the message is not known."""


# Our own faults.


class SecretUnreadable(ParleyError, code=Code.FAILED_PRECONDITION, http=503):
    """A stored secret cannot be decrypted with the keys at hand."""


class Internal(ParleyError, code=Code.INTERNAL, http=500):
    """Internal error; the log has it under the correlation id."""


def kind_of(reason: int) -> type[ParleyError]:
    """The class of a reason. A reason that this version does not know is an Internal."""
    return _KINDS.get(reason, Internal)


def as_item(error: ParleyError) -> ItemError:
    """The error as one item's outcome in a batch."""
    after = None if error.retry_after is None else span(error.retry_after)
    return ItemError(reason=error.reason, message=error.message, retry_after=after)


def from_item(item: ItemError) -> ParleyError:
    """The error that one item of a batch carries."""
    after = timedelta(seconds=seconds(item.retry_after)) if item.HasField("retry_after") else None
    return _built(kind_of(item.reason), item.message, retry_after=after)


def from_rpc(error: grpc.aio.AioRpcError, *, unavailable: type[ParleyError] = Unreachable) -> ParleyError:
    """What a failed call means. Without details gRPC itself failed; `unavailable` is what a dead peer then means."""
    message = error.details() or ""
    failure = statuses.unpack(error.code(), message, trailing=error.trailing_metadata())
    if failure is None:
        is_away = error.code() is Code.UNAVAILABLE or message in (CROWDED, COVERED)
        return _built(unavailable if is_away else _BARE.get(error.code(), Internal))
    reason = dict(ErrorReason.items()).get(f"ERROR_REASON_{failure.reason}", ErrorReason.ERROR_REASON_UNSPECIFIED)
    if failure.violations:
        return InvalidField(failure.violations, failure.message)
    return _built(kind_of(reason), failure.message, retry_after=failure.retry_after, metadata=failure.metadata)


def _built(
    kind: type[ParleyError],
    message: str = "",
    *,
    retry_after: timedelta | None = None,
    metadata: Mapping[str, str] | None = None,
) -> ParleyError:
    if issubclass(kind, InvalidField):
        return kind((), message)
    return kind(message, retry_after=retry_after, metadata=metadata)


_KINDS: dict[int, type[ParleyError]] = {kind.reason: kind for kind in ParleyError.__subclasses__()}

# gRPC's own words when a server has as many calls as it takes: none of them is too large, and another may do better.
CROWDED = "Concurrent RPC limit exceeded!"
# And when a write that comes after the end of a stream covers the status that it ended with (grpc/grpc#36066).
COVERED = "Internal error from Core"

# What gRPC itself says when no service of ours got to answer.
_BARE: dict[Code, type[ParleyError]] = {
    Code.DEADLINE_EXCEEDED: DeadlineExceeded,
    Code.UNAUTHENTICATED: CredentialMissing,
    Code.PERMISSION_DENIED: ScopeMissing,
    Code.NOT_FOUND: NotFound,
    Code.RESOURCE_EXHAUSTED: TooLarge,
    Code.CANCELLED: Unreachable,
}
