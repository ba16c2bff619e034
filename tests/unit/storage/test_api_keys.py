"""Is an API key unguessable, kept as a hash, and allowed no more than its maker?"""

import secrets
from datetime import UTC, datetime, timedelta

import pytest

from kit.errors import InvalidField, ScopeMissing
from parley.agent.v1 import agent_service_pb2
from parley.contract.v1 import options_pb2
from parley.llm.v1 import llm_service_pb2
from parley.sender.v1 import sender_service_pb2
from parley.storage.v1 import (
    conversation_service_pb2,
    directory_service_pb2,
    inbox_service_pb2,
    outbox_service_pb2,
    privacy_service_pb2,
)
from storage_service.domain import api_keys

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FILES = (
    *(conversation_service_pb2, directory_service_pb2, inbox_service_pb2, outbox_service_pb2, privacy_service_pb2),
    *(agent_service_pb2, llm_service_pb2, sender_service_pb2),
)


def test_a_key_is_256_random_bits_and_its_hash_does_not_hold_it() -> None:
    keys = [api_keys.generate(secrets.token_bytes) for _ in range(100)]
    assert len({key.secret for key in keys}) == 100
    assert all(len(key.secret) == len("parley_") + 43 for key in keys)
    assert all(key.secret.startswith(key.prefix) for key in keys)
    assert not any(key.secret.encode() in key.hash for key in keys)


def test_a_key_is_not_shown_by_its_repr() -> None:
    key = api_keys.generate(secrets.token_bytes)
    assert key.secret not in repr(key)


def test_only_the_same_secret_matches() -> None:
    key = api_keys.generate(secrets.token_bytes)
    assert api_keys.matches(key.secret, key.hash)
    for other in (key.secret + "x", key.secret[:-1], "", "\u00e9", "\ud800"):
        assert not api_keys.matches(other, key.hash)


def test_a_key_works_until_it_expires_or_is_revoked() -> None:
    later = NOW + timedelta(seconds=1)
    assert api_keys.works(now=NOW, expires_at=None, revoked_at=None)
    assert api_keys.works(now=NOW, expires_at=later, revoked_at=None)
    assert not api_keys.works(now=NOW, expires_at=NOW, revoked_at=None)
    assert not api_keys.works(now=NOW, expires_at=later, revoked_at=NOW)


def test_nobody_gives_what_they_do_not_hold() -> None:
    assert api_keys.check_grant(["privacy", "agent.use", "privacy"], held=None) == ["agent.use", "privacy"]
    assert api_keys.check_grant(["privacy"], held={"privacy", "directory.admin"}) == ["privacy"]
    with pytest.raises(ScopeMissing):
        api_keys.check_grant(["privacy"], held={"directory.admin"})


@pytest.mark.parametrize("scope", sorted(api_keys.MESH_ONLY))
def test_a_scope_over_all_tenants_is_given_to_no_key(scope: str) -> None:
    with pytest.raises(InvalidField):
        api_keys.check_grant([scope], held=None)


def test_every_scope_of_the_contract_is_either_given_or_the_meshs_own() -> None:
    scopes = {
        method.GetOptions().Extensions[options_pb2.access].scope
        for file in FILES
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert scopes == api_keys.GRANTABLE | api_keys.MESH_ONLY
