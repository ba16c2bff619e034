"""Which proxy does a call to the outside go through? What HTTPS_PROXY, HTTP_PROXY and NO_PROXY say to every program.

Of HTTP and WebSockets to providers and model servers alone: calls within the mesh, and to the database, go straight.
There is no standard for the three. They are read as curl and Go read them: https://pkg.go.dev/golang.org/x/net/http/httpproxy
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

import kit.settings
from kit import logs

log = logs.get("kit")


def _checked(given: SecretStr) -> SecretStr:
    """With its scheme. A ValueError that does not repeat it: it may hold a password."""
    url = given.get_secret_value()
    url = url if "://" in url or not url else f"http://{url}"
    if url:
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise ValueError("its host or its port is none") from None
        if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
            raise ValueError("should be http://host:port, with a user and password before the host if it asks for them")
    return SecretStr(url)


ProxyUrl = Annotated[SecretStr, AfterValidator(_checked)]


class OutwardSettings(kit.settings.Settings):
    """Of a service that calls what is outside."""

    https_proxy: ProxyUrl = Field(
        SecretStr(""), description="Proxy for calls to https:// outside, as http://host:port; also as https_proxy"
    )
    http_proxy: ProxyUrl = Field(SecretStr(""), description="The same for calls to http://; also as http_proxy")
    no_proxy: str = Field(
        "",
        description="What is called without a proxy, separated by commas: names with all below them, addresses, "
        "networks; * for everything. This machine always is. Also as no_proxy",
    )


class Proxies:
    """Without any, every call goes straight."""

    def __init__(self, https: str = "", http: str = "", *, spared: str = "") -> None:
        self._by_scheme = {
            scheme: url for scheme, url in (("https", https), ("wss", https), ("http", http), ("ws", http)) if url
        }
        self._spared = spared

    def of(self, url: str) -> str | None:
        """The URL of the proxy for this one; None: straight."""
        if not self._by_scheme:
            return None
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme in ("https", "wss") else 80)
        except ValueError:
            return None  # it is no URL, which its client says in a way that is understood
        proxy = self._by_scheme.get(parts.scheme)
        return proxy if proxy and parts.hostname and not _is_spared(parts.hostname, port, spared=self._spared) else None


def proxies(settings: OutwardSettings, *, service: str = "") -> Proxies:
    """As they are set. A service says so in its log: what fails on the way may be the proxy's doing."""
    https, http = settings.https_proxy.get_secret_value(), settings.http_proxy.get_secret_value()
    hosts = [urlsplit(each).hostname for each in (https, http) if each]
    if hosts and service:
        log.info("proxy.used", service=service, names=list(dict.fromkeys(hosts)))
    return Proxies(https, http, spared=settings.no_proxy)


@lru_cache(maxsize=1024)
def _is_spared(host: str, port: int, *, spared: str) -> bool:
    listed = [each.strip().lower().removeprefix("*.").removeprefix(".") for each in spared.split(",")]
    if host == "localhost" or host.endswith(".localhost") or "*" in listed or f"{host}:{port}" in listed:
        return True
    try:
        address = ip_address(host)
    except ValueError:
        named = (each.removesuffix(f":{port}") for each in listed)
        return any(each and f".{host}".endswith(f".{each}") for each in named)
    return address.is_loopback or any(_lies_in(address, each) for each in listed)


def _lies_in(address: IPv4Address | IPv6Address, listed: str) -> bool:
    """Whether the entry is the address, or a network that holds it."""
    try:
        return address in ip_network(listed, strict=False)
    except ValueError:
        return False
