"""Does a page token name one place in one list, and nothing else?"""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import InvalidField
from storage_service.domain import paging
from storage_service.domain.weights import MOST_LISTED_BYTES

QUERY = ("acme", "conversations", 0, "")
KINDS = (datetime, str)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))


@given(MOMENTS, st.text(st.characters(exclude_characters="\x00", codec="utf-8")))
def test_a_token_names_its_key_to_the_microsecond(moment: datetime, row_id: str) -> None:
    token = paging.token((moment, row_id), QUERY)
    assert paging.place(token, KINDS, query=QUERY) == (moment, row_id)


def test_no_token_is_the_first_page() -> None:
    assert paging.place("", KINDS, query=QUERY) is None


@pytest.mark.parametrize("other", [("other", *QUERY[1:]), (*QUERY[:2], 1, ""), QUERY[:2], ("acme", "turns", 0, "")])
def test_a_token_of_another_query_is_refused(other: tuple[object, ...]) -> None:
    token = paging.token((datetime(2026, 1, 1, tzinfo=UTC), "x"), QUERY)
    with pytest.raises(InvalidField):
        paging.place(token, KINDS, query=other)


@given(st.one_of(st.text(min_size=1), st.binary(min_size=1).map(lambda data: data.decode("latin-1"))))
def test_anything_else_is_refused_by_name(rubbish: str) -> None:
    with pytest.raises(InvalidField) as error:
        paging.place(rubbish, KINDS, query=QUERY)
    assert error.value.violations[0][0] == "page_token"


def test_a_token_with_keys_of_another_kind_is_refused() -> None:
    for key in (("x", "y"), (datetime(2026, 1, 1, tzinfo=UTC),), ("x", datetime(2026, 1, 1, tzinfo=UTC))):
        with pytest.raises(InvalidField):
            paging.place(paging.token(key, QUERY), KINDS, query=QUERY)


@pytest.mark.parametrize("unkept", ["\x00", "\ud800"])
def test_a_token_with_a_key_that_no_database_takes_is_refused(unkept: str) -> None:
    token = paging.token((datetime(2026, 1, 1, tzinfo=UTC), "x"), QUERY)
    mark, (moment, _) = json.loads(base64.urlsafe_b64decode(token + "=="))
    forged = base64.urlsafe_b64encode(json.dumps([mark, [moment, unkept]]).encode()).decode()
    with pytest.raises(InvalidField):
        paging.place(forged, KINDS, query=QUERY)


def test_the_last_page_has_no_token() -> None:
    rows = ["a", "b", "c"]
    page, token = paging.cut(rows, 2, key=lambda row: (row,), query=QUERY)
    assert (page, paging.place(token, [str], query=QUERY)) == (["a", "b"], ("b",))
    assert paging.cut(rows, 3, key=lambda row: (row,), query=QUERY) == (rows, "")


def test_a_page_of_long_rows_ends_early_and_its_token_says_where() -> None:
    rows = ["a", "b", "c", "d"]
    weights = {"a": 10, "b": MOST_LISTED_BYTES // 2, "c": MOST_LISTED_BYTES // 2, "d": 2 * MOST_LISTED_BYTES}
    pages = []
    while rows:
        page, token = paging.cut(rows, 3, key=lambda row: (row,), query=QUERY, weigh=weights.__getitem__)
        pages.append(page)
        rows = rows[len(page) :]
        assert paging.place(token, [str], query=QUERY) == ((page[-1],) if rows else None)
    assert pages == [["a", "b"], ["c"], ["d"]]
    assert paging.cut([], 3, key=lambda row: (row,), query=QUERY, weigh=weights.__getitem__) == ([], "")


@pytest.mark.parametrize(("asked", "given"), [(0, 50), (7, 7), (500, 500), (100_000, 500)])
def test_a_page_has_a_size_within_limits(asked: int, given: int) -> None:
    assert paging.size(asked) == given
