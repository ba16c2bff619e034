"""What happens around every rpc that a service answers? Who calls, until when, is it valid; and how did it end.

One wrapper per method, made when the method is registered: what does not depend on the call is decided then.
"""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError

from kit import access, correlation, deadlines, logs, metrics, refusals, statuses
from kit.access import Caller
from kit.authentication import Authentication
from kit.contract import Rpc
from kit.errors import (
    CredentialMissing,
    DeadlineExceeded,
    DeadlineMissing,
    Internal,
    InvalidField,
    ParleyError,
    ScopeMissing,
    StorageUnavailable,
    TenantMismatch,
    Unreachable,
    Unreadable,
    from_rpc,
)
from kit.limits import validator
from kit.metrics import Observe

Permit = Callable[[Caller], None]
Check = Callable[[Caller, Any], None]

_GARBLED = object()  # bytes that are no message of the method

PUSHBACK_KEY = "grpc-retry-pushback-ms"

# What a service downstream says of our own credential is our fault, not the caller's.
_OURS = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)


class Guard:
    """Wraps the handlers of one service."""

    def __init__(self, authentication: Authentication, service: str) -> None:
        self._authentication = authentication
        self._service = service
        self._log = logs.get(service)

    def wrap(self, rpc: Rpc, handler: Any) -> Any:
        """The handler with everything around it, of the same arity: a denial must not leave a stream waiting."""
        kind, make = _KINDS[handler.request_streaming, handler.response_streaming]
        behavior = getattr(handler, kind)
        _demand_async(rpc, behavior, generator=handler.response_streaming)
        permit, check = _permission(rpc), _check(rpc)
        if handler.request_streaming:
            behavior, check = _checking_each(behavior, check), _nothing
        around = self._stream if handler.response_streaming else self._unary
        return make(
            around(rpc, behavior, permit=permit, check=check),
            request_deserializer=_readable(handler.request_deserializer),
            response_serializer=handler.response_serializer,
        )

    def _unary(self, rpc: Rpc, behavior: Any, *, permit: Permit, check: Check) -> Any:
        clock, observe = time.perf_counter, metrics.observer(metrics.rpc_server_seconds, rpc.path)

        async def unary(request: Any, context: Any) -> Any:
            started, known = clock(), False
            try:
                caller = self._enter(context)
                if isinstance(caller, str):
                    caller = await self._verify(caller)
                known = True
                permit(caller)
                check(caller, request)
                response = await behavior(request, context)
            except (Exception, asyncio.CancelledError) as error:
                failure = self._failure(rpc, error, observe=observe, started=started, known=known)
            else:
                observe("OK", clock() - started)
                return response
            return await abort(context, failure)

        return unary

    def _stream(self, rpc: Rpc, behavior: Any, *, permit: Permit, check: Check) -> Any:
        clock, observe = time.perf_counter, metrics.observer(metrics.rpc_server_seconds, rpc.path)

        async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
            started, key, known = clock(), "", False
            try:
                caller = self._enter(context)
                if isinstance(caller, str):
                    key, caller = caller, await self._verify(caller)
                known = True
                permit(caller)
                check(caller, request)
                async with aclosing(behavior(request, context)) as responses:
                    async for response in responses:
                        if key:
                            await self._still(key, permit)
                        yield response
            except (Exception, asyncio.CancelledError) as error:
                failure = self._failure(rpc, error, observe=observe, started=started, known=known)
            else:
                observe("OK", clock() - started)
                return
            await abort(context, failure)

        return stream

    def _enter(self, context: Any) -> Caller | str:
        """Reads the call's metadata and deadline into the task. A str is a credential that must be verified first."""
        authorization = offered = ""
        for key, value in context.invocation_metadata():
            if key == "authorization":
                authorization = value
            elif key == correlation.METADATA_KEY:
                offered = value
        accepted = correlation.accept(offered)
        correlation.bind(accepted)
        if accepted != offered:
            context.set_trailing_metadata(((correlation.METADATA_KEY, accepted),))
        caller = self._authentication.at_once(authorization, context)
        remaining = context.time_remaining()
        if remaining is None:
            raise DeadlineMissing
        deadlines.bind(remaining)
        if caller is None:
            return authorization
        access.bind(caller)
        return caller

    async def _verify(self, authorization: str) -> Caller:
        caller = await self._authentication.verified(authorization)
        access.bind(caller)
        return caller

    async def _still(self, authorization: str, permit: Permit) -> None:
        """Ends a stream whose key was revoked or has expired. Who cannot be asked about it now said yes before."""
        with suppress(Unreachable, StorageUnavailable, DeadlineExceeded):
            permit(await self._authentication.verified(authorization))

    def _failure(self, rpc: Rpc, error: BaseException, *, observe: Observe, started: float, known: bool) -> ParleyError:
        """What the caller is told; `known` says that we know who it is. Raised again when there is nobody to tell."""
        took = time.perf_counter() - started
        if isinstance(error, asyncio.CancelledError) and _is_cancelled():
            observe("DEADLINE_EXCEEDED" if (deadlines.remaining() or 0) < 0 else "CANCELLED", took)
            raise error
        if isinstance(error, grpc.aio.AbortError):
            observe("ABORTED_BY_HANDLER", took)
            raise error
        failure = _translated(error)
        if isinstance(failure, CredentialMissing):
            failure = refusals.told(failure, self._service, at_the_door=not known)
        observe(failure.code.name, took)
        log = self._log.error if isinstance(failure, Internal) else self._log.debug
        log("rpc.failed", rpc=rpc.path, error_reason=failure.name, took_seconds=round(took, 4), exc_info=error)
        return failure


async def abort(context: Any, failure: ParleyError) -> NoReturn:
    """Ends the call with the failure's status and details."""
    correlated = correlation.correlation_id.get()
    details = statuses.Failure(
        code=failure.code,
        message=failure.message,
        reason=failure.name,
        metadata=failure.metadata,
        retry_after=failure.retry_after,
        violations=failure.violations if isinstance(failure, InvalidField) else (),
        correlation_id=correlated,
    )
    trailing: list[tuple[str, str | bytes]] = [
        (statuses.DETAILS_KEY, statuses.pack(details)),
        (correlation.METADATA_KEY, correlated),
    ]
    if failure.code is grpc.StatusCode.UNAVAILABLE and not isinstance(failure, Unreachable):
        # A service answered, and said what is away. gRPC is to repeat calls that reached nobody, and no others:
        # the model's own retries, times ours, would be a storm.
        trailing.append((PUSHBACK_KEY, "-1"))
    await context.abort(failure.code, failure.message, trailing_metadata=tuple(trailing))
    raise AssertionError("abort returned")


def _translated(error: BaseException) -> ParleyError:
    if isinstance(error, ParleyError):
        return error
    if isinstance(error, grpc.aio.AioRpcError) and error.code() not in _OURS:
        return from_rpc(error)
    # Includes a CancelledError that the handler raised by itself: handed to gRPC it would hang the client for ever.
    return Internal()


def _permission(rpc: Rpc) -> Permit:
    """Whether a caller may call the method at all."""
    scope, tenant_scoped, path = rpc.scope, rpc.tenant_scoped, rpc.path

    def permit(caller: Caller) -> None:
        if not scope:
            raise ScopeMissing(f"{path} does not say who may call it, so nobody may")
        if caller.tenant_id is not None:
            caller.require(scope)
            if not tenant_scoped:
                raise TenantMismatch("only the mesh itself may call this")

    return permit


def _check(rpc: Rpc) -> Check:
    """Whether a message is within its limits and names no other tenant than the caller's."""
    validate, tenant_scoped = validator(rpc.request, keeps=rpc.keeps), rpc.tenant_scoped

    def check(caller: Caller, request: Any) -> None:
        if request is _GARBLED:
            raise Unreadable("The request is no message of this method; texts in it must be valid Unicode")
        if caller.tenant_id is not None:
            request.tenant_id = caller.tenant(request.tenant_id)
        if validate is not None:
            validate(request)
        if tenant_scoped:
            correlation.add(tenant=request.tenant_id)

    return check


def _readable(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """What gRPC itself would answer with UNKNOWN, before anybody asked who calls, becomes something to refuse."""

    def read(sent: bytes) -> Any:
        try:
            return deserialize(sent)
        except DecodeError:
            return _GARBLED

    return read


def _nothing(_caller: Caller, _request: Any) -> None:
    """The requests come later, one by one."""


def _checking_each(behavior: Any, check: Check) -> Any:
    async def checked(requests: AsyncIterator[Any], caller: Caller) -> AsyncIterator[Any]:
        async for request in requests:
            check(caller, request)
            yield request

    return lambda requests, context: behavior(checked(requests, access.caller()), context)


def _demand_async(rpc: Rpc, behavior: Any, *, generator: bool) -> None:
    """A plain function would run in a thread, without the context variables; context.write breaks interceptors."""
    if generator and not inspect.isasyncgenfunction(behavior):
        raise TypeError(f"{rpc.path} must be an async generator")
    if not generator and not inspect.iscoroutinefunction(behavior):
        raise TypeError(f"{rpc.path} must be an async function")


def _is_cancelled() -> bool:
    """Whether the call was cancelled from outside. context.cancelled() does not know (grpc/grpc#36193)."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


_KINDS: dict[tuple[bool, bool], tuple[str, Callable[..., Any]]] = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}
