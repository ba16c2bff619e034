"""Whose webhook is it, and how often is storage asked?"""

import asyncio

import pytest

from gateway.domain.accounts import Accounts
from kit import errors
from parley.storage.v1 import directory_pb2


class Storage:
    """Answers as told, and counts."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked = 0
        self.secret = "first"
        self.error: errors.ParleyError | None = None

    async def resolve(self, channel: str, account_key: str) -> directory_pb2.AccountSecrets:
        self.asked += 1
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        account = directory_pb2.ChannelAccount(id="1", tenant_id="t", channel=channel, account_key=account_key)
        return directory_pb2.AccountSecrets(account=account, credentials={"secret": self.secret})

    def accounts(self) -> Accounts:
        return Accounts(self.resolve, clock=lambda: self.now)


async def test_a_hundred_at_once_ask_storage_once() -> None:
    storage = Storage()
    accounts = storage.accounts()
    found = await asyncio.gather(*(accounts.find("sms", "key") for _ in range(100)))
    assert storage.asked == 1
    assert {each.tenant_id for each in found} == {"t"}


async def test_a_changed_secret_counts_after_three_seconds() -> None:
    storage = Storage()
    accounts = storage.accounts()
    await accounts.find("sms", "key")
    storage.secret, storage.now = "second", 2.9
    assert (await accounts.find("sms", "key")).known.credentials["secret"] == "first"
    storage.now = 3.0
    assert (await accounts.find("sms", "key")).known.credentials["secret"] == "second"


async def test_an_account_that_does_not_exist_is_remembered_for_a_second() -> None:
    storage = Storage()
    storage.error = errors.NotFound()
    accounts = storage.accounts()
    for _ in range(3):
        with pytest.raises(errors.NotFound):
            await accounts.find("sms", "nobody")
    assert storage.asked == 1
    storage.error, storage.now = None, 1.0
    assert await accounts.find("sms", "nobody")


async def test_while_storage_is_away_the_last_answer_is_used_and_storage_is_not_hammered() -> None:
    storage = Storage()
    accounts = storage.accounts()
    await accounts.find("sms", "key")
    storage.error, storage.now = errors.StorageUnavailable(), 5.0
    for _ in range(10):
        assert await accounts.find("sms", "key")
    assert storage.asked == 2
    with pytest.raises(errors.StorageUnavailable):
        await accounts.find("sms", "never seen")


async def test_an_account_that_was_taken_away_is_not_found_any_more() -> None:
    storage = Storage()
    accounts = storage.accounts()
    await accounts.find("sms", "key")
    storage.error, storage.now = errors.NotFound(), 5.0
    with pytest.raises(errors.NotFound):
        await accounts.find("sms", "key")


async def test_a_client_that_leaves_does_not_take_the_answer_from_the_others() -> None:
    storage = Storage()
    accounts = storage.accounts()
    first = asyncio.create_task(accounts.find("sms", "key"))
    second = asyncio.create_task(accounts.find("sms", "key"))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).tenant_id == "t"
