"""Which accounts go out beside what names them, each once, and how much of it does one answer carry with them?

An account is written by its tenant, and weighs what the tenant put into it: nobody else's work waits for that.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from parley.storage.v1.directory_pb2 import AccountSecrets
from storage_service.domain.lessor import Lessor
from storage_service.domain.weights import MOST_LEASED_BYTES, fitting

Secrets = Callable[[Collection[str]], Awaitable[Sequence[AccountSecrets]]]


class Naming(Protocol):
    """What names an account."""

    @property
    def account_id(self) -> str: ...

    def ByteSize(self) -> int: ...  # noqa: N802 - named by protobuf


Named = TypeVar("Named", bound=Naming)


async def leased(
    lessor: Lessor[Named], given: list[Named], *, worker_id: str, secrets: Secrets
) -> tuple[list[Named], Sequence[AccountSecrets]]:
    """As much of what was leased as one answer carries beside its accounts. The rest goes back at once, and so does all
    when the accounts cannot be read."""
    if not given:
        return [], []
    try:
        accounts = await secrets({each.account_id for each in given})
    except BaseException:
        lessor.take_back(worker_id, given)
        raise
    carried = lessor.carried(worker_id, given, weights=_weights(given, accounts))
    beside = _beside(carried, accounts)
    readable = {each.account.id for each in beside}
    # For an account whose credentials cannot be opened nothing is done; its leases end by themselves.
    return [each for each in carried if each.account_id in readable], beside


def portions(
    items: Sequence[Named], accounts: Sequence[AccountSecrets]
) -> Iterator[tuple[Sequence[Named], Sequence[AccountSecrets]]]:
    """All of it, in as many answers as it takes."""
    while items:
        part = items[: fitting(_weights(items, accounts), MOST_LEASED_BYTES)]
        items = items[len(part) :]
        yield part, _beside(part, accounts)


def _weights(items: Iterable[Named], accounts: Sequence[AccountSecrets]) -> list[int]:
    """An account counts where it is named first."""
    sizes = {each.account.id: each.ByteSize() for each in accounts}
    return [each.ByteSize() + sizes.pop(each.account_id, 0) for each in items]


def _beside(items: Iterable[Named], accounts: Sequence[AccountSecrets]) -> Sequence[AccountSecrets]:
    named = {each.account_id for each in items}
    return [each for each in accounts if each.account.id in named]
