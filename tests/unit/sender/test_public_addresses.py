"""Which addresses are of the open internet? Each that once passed for one, somewhere, and is none."""

import socket
from ipaddress import ip_address

import pytest

from sender_service.domain.public_addresses import is_public

INSIDE = (
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255"),
    *("192.168.1.1", "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "198.18.0.1"),
    *("192.0.0.8", "192.0.0.170", "192.0.2.1", "192.88.99.1", "198.51.100.1", "203.0.113.1"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::8.8.8.8"),
    *("64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::", "2002:808:808::1"),
    *("2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "2001:20::1", "3fff::1", "100::1"),
    *("fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2606:4700::1%1"),
    *("", "localhost", "not an address", "127.1", "0177.0.0.1", "2130706433", "0x7f.1"),
)
OUTSIDE = ("8.8.8.8", "1.1.1.1", "151.101.1.69", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e")
NUMBERS = ("0177.0.0.1", "2130706433", "0x7f.1", "127.1", "0x7f000001", "127.0.1")


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_inside_is_no_public_address(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_is_outside_is(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("written", NUMBERS)
def test_a_number_that_the_system_reads_as_an_address_is_judged_by_what_it_reads(written: str) -> None:
    found = {str(each[4][0]) for each in socket.getaddrinfo(written, 443, type=socket.SOCK_STREAM)}
    assert found
    assert all(ip_address(each).is_loopback and not is_public(each) for each in found)
