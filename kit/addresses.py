"""Where is a service of the mesh? Its address as host:port, or as a resolver of gRPC names it.

https://github.com/grpc/grpc/blob/master/doc/naming.md
"""

import errno
import re
import socket
from dataclasses import dataclass

SCHEMES = ("dns:", "ipv4:", "ipv6:", "unix:", "xds:")
MOST_PORT = 65535
FORM = "is no host:port, for example 127.0.0.1:50051, [::1]:50051 or dns:///storage:50051"

TAKEN = "is in use by another program"
_REASONS = {
    errno.EADDRINUSE: TAKEN,
    errno.EACCES: "may not be used by this user",
    errno.EADDRNOTAVAIL: "is not an address of this machine",
}
_host_and_port = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<host>[^:\[\]/\s]*)):(?P<port>[0-9]{1,5})").fullmatch


@dataclass(frozen=True, slots=True)
class Address:
    """A host, without the brackets of IPv6, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parsed(address: str) -> Address | None:
    """Of host:port, with a resolver's name before it or without. None for what is neither, as a socket's path is."""
    bare = address
    if address.startswith(SCHEMES):
        bare = address.partition(":")[2].rpartition("/")[2]
    found = None if address.startswith(("unix:", "xds:")) else _host_and_port(bare)
    if found is None or int(found["port"]) > MOST_PORT:
        return None
    return Address(found["v6"] or found["host"] or "", int(found["port"]))


def trouble(host: str, port: int) -> str | None:
    """Why nobody can listen there now, as the end of a sentence. Port 0 is always free: the system picks one."""
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, _protocol, _name, address in found[:1]:
            with socket.socket(family, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as error:
        return _REASONS.get(error.errno or 0, f"cannot be used: {error.strerror}")
    return None


def near(port: int, by: int = 1) -> int:
    """Another port, to propose where this one cannot be had."""
    return port + by if port + by <= MOST_PORT else port - by


def checked(address: str) -> str:
    """The address. ValueError when it is none."""
    if not address.startswith(SCHEMES) and parsed(address) is None:
        raise ValueError(FORM)
    return address


def target(address: str) -> str:
    """As gRPC resolves it: by DNS, to every replica behind the name."""
    return address if address.startswith(SCHEMES) else f"dns:///{address}"
