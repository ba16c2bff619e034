"""What is the same about a text that we send and one that its provider shows?"""

import hashlib

import pytest

from kit.echoes import shown


@pytest.mark.parametrize("seen", ["Open 9 to 5", " Open  9\r\nto 5\n", "Open\u00a09 to 5"])
def test_white_space_makes_no_other_text(seen: str) -> None:
    assert shown(seen, file=False) == shown("Open 9 to 5", file=False)


def test_it_is_what_the_contract_says() -> None:
    assert shown("Open 9", file=False) == hashlib.sha256(b"Open 9").hexdigest()[:32]
    assert shown("Open 9", file=True) == shown("Open 9", file=False)
    assert (shown(" ", file=True), shown("", file=False)) == ("file", "")


@pytest.mark.parametrize("other", ["Open 9 to 6", "open 9 to 5", "Open 9", "file", "\ud800"])
def test_other_words_are_another_text(other: str) -> None:
    assert shown(other, file=False) not in {shown("Open 9 to 5", file=False), "file", ""}
