"""Does every error keep its meaning on the way through an item, a status and back?"""

from datetime import timedelta

import grpc
import pytest

from kit import errors, statuses
from parley.error.v1.error_reason_pb2 import ErrorReason, ItemError

KINDS = errors.ParleyError.__subclasses__()


def made(kind: type[errors.ParleyError]) -> errors.ParleyError:
    """One of the kind, with all that it can carry."""
    if issubclass(kind, errors.InvalidField):
        return kind([("text", "is required")])
    return kind(retry_after=timedelta(seconds=1.5), metadata={"resource": "agent"})


def over_the_wire(error: errors.ParleyError) -> grpc.aio.AioRpcError:
    """What a client gets."""
    violations = error.violations if isinstance(error, errors.InvalidField) else ()
    failure = statuses.Failure(error.code, error.message, error.name, error.metadata, error.retry_after, violations)
    trailing = grpc.aio.Metadata((statuses.DETAILS_KEY, statuses.pack(failure)))
    return grpc.aio.AioRpcError(error.code, grpc.aio.Metadata(), trailing, details=error.message)


def bare(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    """What gRPC says by itself."""
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details="internals")


def test_each_class_is_one_reason_of_the_contract_and_each_reason_one_class() -> None:
    reasons = sorted(kind.reason for kind in KINDS)
    assert reasons == sorted(value for value in ErrorReason.values() if value)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_says_what_its_class_says_and_survives_the_wire(kind: type[errors.ParleyError]) -> None:
    error = made(kind)
    again = errors.from_rpc(over_the_wire(error))
    assert (type(again), again.message, again.retry_after) == (kind, error.message, error.retry_after)
    assert again.metadata == error.metadata
    assert error.message
    assert error.code is not grpc.StatusCode.OK
    assert 400 <= error.http_status < 600


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_survives_as_an_item(kind: type[errors.ParleyError]) -> None:
    error = made(kind)
    again = errors.from_item(errors.as_item(error))
    assert (type(again), again.message, again.retry_after) == (kind, error.message, error.retry_after)


def test_field_violations_survive_the_wire() -> None:
    again = errors.from_rpc(over_the_wire(errors.InvalidField([("text", "is required"), ("chat_id", "is long")])))
    assert isinstance(again, errors.InvalidField)
    assert again.violations == (("text", "is required"), ("chat_id", "is long"))


def test_a_thousand_violations_fit_into_a_header() -> None:
    many = errors.InvalidField(
        [(f"submissions[{n}].messages[{n}].provider_message_id", "is required") for n in range(999)]
    )
    trailing = over_the_wire(many).trailing_metadata()
    assert trailing is not None
    assert len(trailing[statuses.DETAILS_KEY]) < 8192


def test_the_caller_says_what_a_dead_peer_means() -> None:
    assert type(errors.from_rpc(bare(grpc.StatusCode.UNAVAILABLE))) is errors.Unreachable
    said = errors.from_rpc(bare(grpc.StatusCode.UNAVAILABLE), unavailable=errors.StorageUnavailable)
    assert type(said) is errors.StorageUnavailable


def test_a_write_that_came_too_late_for_a_stream_says_nothing_but_that_it_ended() -> None:
    covered = grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, grpc.aio.Metadata(), grpc.aio.Metadata(), errors.COVERED)
    assert type(errors.from_rpc(covered)) is errors.Unreachable


def test_what_grpc_says_by_itself_is_not_repeated_to_people() -> None:
    for code in grpc.StatusCode:
        assert "internals" not in errors.from_rpc(bare(code)).message


def test_a_reason_from_a_newer_service_is_an_internal_error_here() -> None:
    assert type(errors.from_item(ItemError(reason=9999, message="new"))) is errors.Internal  # type: ignore[arg-type]


def test_details_that_cannot_be_read_are_passed_over() -> None:
    for raw in (b"\xff\xff\xff", b"", b"\x08\x01"):
        trailing = grpc.aio.Metadata((statuses.DETAILS_KEY, raw))
        broken = grpc.aio.AioRpcError(grpc.StatusCode.NOT_FOUND, grpc.aio.Metadata(), trailing)
        assert type(errors.from_rpc(broken)) is errors.NotFound
