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
        *(
            {"allowed_origins": sites}
            for sites in (
                "",
                "*",
                "null",
                "https://shop.example",
                "HTTPS://Shop.example/, http://localhost:3000",
                "https://a.example https://*.b.example\nhttps://xn--bcher-kva.example:8443",
                "http://[::1]:8080 http://my_host https://10.0.0.1 http://shop.example:443",
            )
        ),
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
        *(
            ({"allowed_origins": f"https://a.example {site}"}, "allowed_origins")
            for site in (
                "shop.example",
                "https://shop.example/chat",
                "https://shop.example:443",
                "http://shop.example:80/",
                "https://b\u00fccher.example",
                "http://localhost:*",
                "https://a.example;https://b.example",
                "ftp://shop.example",
                "https://",
            )
        ),
    ],
)
def test_what_cannot_be_read_is_named(options: dict[str, str], field: str) -> None:
    assert [name for name, _ in violations(options)] == [f"account.options[{field}]"]
