"""Which options of an account are refused before anything is stored?"""

import pytest

from storage_service.domain.account_options import violations


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sends_per_second": "80", "sends_burst": "20", "chat_sends_per_second": "0.25"},
        {"sends_per_second": "0"},
        {"max_queued": "500"},
        {"whatever": "a channel may read"},
    ],
)
def test_what_can_be_read_is_taken(options: dict[str, str]) -> None:
    assert violations(options) == []


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"sends_per_second": "fast"}, "sends_per_second"),
        ({"sends_per_second": "-1"}, "sends_per_second"),
        ({"sends_burst": "nan"}, "sends_burst"),
        ({"chat_sends_per_second": "inf"}, "chat_sends_per_second"),
        ({"max_queued": "9"}, "max_queued"),
        ({"max_queued": "many"}, "max_queued"),
    ],
)
def test_what_cannot_be_read_is_named(options: dict[str, str], field: str) -> None:
    assert [name for name, _ in violations(options)] == [f"account.options[{field}]"]
