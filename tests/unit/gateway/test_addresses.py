"""Which URL did the provider sign, and who is asking?"""

from ipaddress import ip_network
from typing import Any

import pytest

from gateway.addresses import Addresses

PROXIED = Addresses(trusted_proxies=(ip_network("10.0.0.0/8"),))


def a_scope(
    path: bytes = b"/webhook/sms", query: bytes = b"", *, client: str = "10.1.2.3", **headers: str
) -> dict[str, Any]:
    named = {"host": "internal:8080"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return {
        "scheme": "http",
        "raw_path": path,
        "query_string": query,
        "client": (client, 1234),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in named.items()],
    }


def test_path_and_query_keep_their_bytes() -> None:
    scope = a_scope(b"/webhook/sms/a%2Fb%20c", b"b=2&a=%41&a=")
    assert Addresses().url(scope) == "http://internal:8080/webhook/sms/a%2Fb%20c?b=2&a=%41&a="


def test_the_public_name_stands_in_for_the_requested_one() -> None:
    assert Addresses("https://chat.example.com/").url(a_scope()) == "https://chat.example.com/webhook/sms"
    assert Addresses("https://example.com/parley").url(a_scope()) == "https://example.com/parley/webhook/sms"


def test_forwarded_headers_count_from_trusted_proxies_only() -> None:
    forwarded: dict[str, Any] = {"x_forwarded_proto": "https", "x_forwarded_host": "chat.example.com"}
    assert PROXIED.url(a_scope(**forwarded)) == "https://chat.example.com/webhook/sms"
    assert PROXIED.url(a_scope(client="192.0.2.1", **forwarded)) == "http://internal:8080/webhook/sms"
    assert Addresses().url(a_scope(**forwarded)) == "http://internal:8080/webhook/sms"


def test_of_several_forwarded_names_the_nearest_proxys_counts() -> None:
    scope = a_scope(x_forwarded_host="forged.example, chat.example.com")
    assert PROXIED.origin(scope) == "http://chat.example.com"


@pytest.mark.parametrize(
    ("client", "forwarded", "expected"),
    [
        ("10.1.2.3", "203.0.113.9, 10.9.9.9", "203.0.113.9"),
        ("10.1.2.3", "forged, 203.0.113.9", "203.0.113.9"),
        ("10.1.2.3", "", "10.1.2.3"),
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
    ],
)
def test_a_caller_is_who_stands_before_the_trusted_proxies(client: str, forwarded: str, expected: str) -> None:
    assert PROXIED.caller(a_scope(client=client, x_forwarded_for=forwarded)) == expected


def test_our_own_page_may_be_reached_by_either_name() -> None:
    origins = Addresses("https://example.com/parley").own_origins(a_scope())
    assert origins == ("https://example.com", "http://internal:8080")
