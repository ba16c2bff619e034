"""Does a secret at rest open for its own row only, under a key that we hold, and stay hidden otherwise?"""

import base64
import secrets
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import SecretUnreadable
from kit.settings import SettingsError
from storage_service.backends.secret_key import open_keyring, read_keys
from storage_service.domain.sealing import BadKeys, Keyring, Place, Sealed, format_key, parse_keys
from storage_service.domain.tombstones import Tombstones

PLACE = Place("acme", "channel_accounts", "credentials", "row-1")
OLD, NEW = b"o" * 32, b"n" * 32


def a_keyring(**keys: bytes) -> Keyring:
    return Keyring(keys or {"k1": OLD}, random_bytes=secrets.token_bytes)


def test_a_secret_opens_where_it_was_sealed() -> None:
    keyring = a_keyring()
    assert keyring.open(keyring.seal(b"token", PLACE), PLACE) == b"token"


@pytest.mark.parametrize("part", ["tenant_id", "table", "column", "row_id"])
def test_a_ciphertext_does_not_open_anywhere_else(part: str) -> None:
    keyring = a_keyring()
    sealed = keyring.seal(b"token", PLACE)
    with pytest.raises(SecretUnreadable):
        keyring.open(sealed, replace(PLACE, **{part: "other"}))


def test_places_that_join_to_the_same_text_are_not_the_same_place() -> None:
    keyring = a_keyring()
    sealed = keyring.seal(b"token", Place("a", "b", "c", "d"))
    with pytest.raises(SecretUnreadable):
        keyring.open(sealed, Place('a", "b', "", "c", "d"))


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_changed_byte_is_noticed(position: int, difference: int) -> None:
    keyring = a_keyring()
    sealed = keyring.seal(b"token", PLACE)
    changed = bytearray(sealed.ciphertext)
    changed[position % len(changed)] ^= difference
    with pytest.raises(SecretUnreadable):
        keyring.open(Sealed(sealed.key_id, bytes(changed)), PLACE)


@given(st.binary(max_size=40))
def test_rubbish_in_a_row_is_unreadable_and_nothing_worse(rubbish: bytes) -> None:
    with pytest.raises(SecretUnreadable):
        a_keyring().open(Sealed("k1", rubbish), PLACE)


def test_equal_secrets_do_not_look_equal() -> None:
    keyring = a_keyring()
    assert keyring.seal(b"token", PLACE) != keyring.seal(b"token", PLACE)


def test_the_first_key_seals_and_each_opens() -> None:
    before = a_keyring(old=OLD).seal(b"token", PLACE)
    both = a_keyring(new=NEW, old=OLD)
    assert both.seal(b"x", PLACE).key_id == "new"
    assert both.open(before, PLACE) == b"token"


def test_rotation_seals_again_under_the_first_key_and_the_old_one_may_go() -> None:
    before = a_keyring(old=OLD).seal(b"token", PLACE)
    after = a_keyring(new=NEW, old=OLD).rotate(before, PLACE)
    assert after is not None
    assert a_keyring(new=NEW).open(after, PLACE) == b"token"
    assert a_keyring(new=NEW).rotate(after, PLACE) is None


def test_a_key_that_is_gone_is_said_without_saying_more() -> None:
    sealed = a_keyring(old=OLD).seal(b"token", PLACE)
    with pytest.raises(SecretUnreadable, match="not in SECRET_KEYS"):
        a_keyring(new=NEW).open(sealed, PLACE)


def test_a_keyring_shows_the_ids_of_its_keys_alone() -> None:
    assert repr(a_keyring(new=NEW, old=OLD)) == "Keyring(new, old)"


def test_keys_are_read_in_their_order() -> None:
    listed = f"{format_key('b', NEW)}, {format_key('a', OLD)}"
    assert list(parse_keys(listed).items()) == [("b", NEW), ("a", OLD)]
    assert parse_keys("") == {}


@pytest.mark.parametrize(
    "listed", ["secret", "a:secret", f"a:{base64.b64encode(b'short').decode()}", "a b:AAAA", ":AAAA"]
)
def test_a_wrong_key_is_named_by_its_number_and_never_shown(listed: str) -> None:
    with pytest.raises(BadKeys, match="entry 2") as error:
        parse_keys(f"{format_key('k', OLD)},{listed}")
    assert "secret" not in str(error.value)


def test_a_repeated_key_id_is_refused() -> None:
    with pytest.raises(BadKeys, match="repeats"):
        parse_keys(f"{format_key('k', OLD)},{format_key('k', NEW)}")


def test_without_keys_one_is_made_in_the_data_folder_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    made = read_keys("", folder, random_bytes=secrets.token_bytes)
    assert read_keys("", folder, random_bytes=secrets.token_bytes) == made
    assert (folder / "secret.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == ["secret.key"]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "no key at all"), (b"garbage", "entry 1 is not id:base64key"), (b"\xff\xfe", "it is no text")],
)
def test_a_file_that_holds_no_key_is_named_and_left_as_it_is(content: bytes, said: str, tmp_path: Path) -> None:
    file = tmp_path / "secret.key"
    file.write_bytes(content)
    with pytest.raises(SettingsError) as raised:
        open_keyring("", tmp_path, random_bytes=secrets.token_bytes)
    assert str(raised.value) == f"{file}: {said}; put your copy of it in its place"
    assert file.read_bytes() == content
    with pytest.raises(SettingsError, match=r"^SECRET_KEYS: entry 1 is not"):
        open_keyring("garbage", tmp_path, random_bytes=secrets.token_bytes)


def test_keys_of_the_operator_leave_the_data_folder_alone(tmp_path: Path) -> None:
    assert read_keys(format_key("k", OLD), tmp_path, random_bytes=secrets.token_bytes) == {"k": OLD}
    assert not list(tmp_path.iterdir())


def test_a_tombstone_is_found_after_rotation_while_its_key_is_held() -> None:
    name = {"chat_id": "c", "provider_message_id": "m"}
    written = Tombstones(a_keyring(old=OLD)).to_write("acme", "account", **name)
    assert written in Tombstones(a_keyring(new=NEW, old=OLD)).to_find("acme", "account", **name)
    assert written not in Tombstones(a_keyring(new=NEW)).to_find("acme", "account", **name)


def test_fingerprints_keep_purposes_and_parts_apart() -> None:
    keyring = a_keyring()
    marks = [
        keyring.fingerprints(*words)[0]
        for words in (("p", "ab", "c"), ("p", "a", "bc"), ("p", "abc"), ("q", "ab", "c"))
    ]
    assert len(set(marks)) == 4
