"""Is this an address of the open internet? Only such ones are connected to for a file, whatever name led there.

What carries another address within (mapped, compatible, NAT64, 6to4, Teredo) is refused whole: `ipaddress` calls some
of them global, and a translator on the way would go to the address within.
"""

from ipaddress import IPv4Network, IPv6Network, ip_address

# Beyond what `is_global` knows: https://www.iana.org/assignments/iana-ipv4-special-registry
_NOT_V4 = tuple(map(IPv4Network, ("0.0.0.0/8", "192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/3")))
# https://www.iana.org/assignments/ipv6-unicast-address-assignments: of all that is assigned, without what translates,
# benchmarks, or stands in books.
_UNICAST_V6 = IPv6Network("2000::/3")
_NOT_V6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))


def is_public(address: str) -> bool:
    """False for what is no address at all, too."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if parsed.version == 4:
        return parsed.is_global and not parsed.is_multicast and not any(parsed in each for each in _NOT_V4)
    if parsed.scope_id is not None:
        return False
    return parsed.is_global and parsed in _UNICAST_V6 and not any(parsed in each for each in _NOT_V6)
