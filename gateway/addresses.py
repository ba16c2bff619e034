"""Which URL did the provider ask for, and from where? What it signed is its view; proxies in between change ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from starlette.types import Scope

from gateway.body import header

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Addresses:
    """What is configured about the way in: our public name, and the proxies whose word counts."""

    public_base_url: str = ""
    trusted_proxies: Sequence[Network] = ()

    def url(self, scope: Scope) -> str:
        """The URL exactly as it was requested: path and query keep their bytes, whatever they are."""
        asked = bytes(scope["raw_path"])
        if scope["query_string"]:
            asked += b"?" + bytes(scope["query_string"])
        return self.origin(scope) + asked.decode("latin-1")

    def origin(self, scope: Scope) -> str:
        """Scheme and host that the world knows us by, with the path that a proxy takes away if there is one."""
        return self.public_base_url.rstrip("/") or self.requested_origin(scope)

    def own_origins(self, scope: Scope) -> tuple[str, ...]:
        """What a browser calls our own page: by our public name, or by the name that was asked for."""
        public = "/".join(self.public_base_url.split("/")[:3])
        return tuple(each for each in (public, self.requested_origin(scope)) if each)

    def requested_origin(self, scope: Scope) -> str:
        """Scheme and host as this request names them."""
        scheme, host = str(scope["scheme"]), header(scope, b"host").decode("latin-1")
        if self._through_proxy(scope):
            scheme = _last(header(scope, b"x-forwarded-proto")) or scheme
            host = _last(header(scope, b"x-forwarded-host")) or host
        return f"{scheme}://{host}"

    def caller(self, scope: Scope) -> str:
        """The address to count requests by: the peer, or what a trusted proxy says stands before it."""
        peer = scope["client"][0] if scope.get("client") else ""
        if self._through_proxy(scope):
            for hop in reversed(header(scope, b"x-forwarded-for").decode("latin-1").split(",")):
                if hop.strip() and not self._trusted(hop.strip()):
                    return hop.strip()[:64]
        return str(peer)

    def _through_proxy(self, scope: Scope) -> bool:
        return bool(self.trusted_proxies) and bool(scope.get("client")) and self._trusted(scope["client"][0])

    def _trusted(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self.trusted_proxies)


def _last(value: bytes) -> str:
    """The entry that the nearest proxy wrote; those before it may be the client's own."""
    return value.decode("latin-1").rsplit(",", 1)[-1].strip()
