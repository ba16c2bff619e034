"""Is an address read as gRPC reads it, IPv6 included, and one that is none refused at the start?"""

from pathlib import Path
from types import SimpleNamespace

import pytest

from kit import addresses
from kit.addresses import Address
from kit.command.reaching import gateway_url
from kit.settings import Settings, SettingsError, load


@pytest.mark.parametrize(
    ("written", "host", "port"),
    [
        ("127.0.0.1:50051", "127.0.0.1", 50051),
        ("storage:50051", "storage", 50051),
        ("[::1]:50051", "::1", 50051),
        ("[::]:0", "::", 0),
        (":50051", "", 50051),
        ("dns:///storage.parley.svc:50051", "storage.parley.svc", 50051),
        ("dns://8.8.8.8/storage:50051", "storage", 50051),
        ("dns:storage:50051", "storage", 50051),
        ("ipv4:10.0.0.1:50051", "10.0.0.1", 50051),
        ("ipv6:[fd00::1]:50051", "fd00::1", 50051),
    ],
)
def test_host_and_port_are_found(written: str, host: str, port: int) -> None:
    assert addresses.checked(written) == written
    assert addresses.parsed(written) == Address(host, port)


@pytest.mark.parametrize("written", ["unix:/run/parley.sock", "unix:///run/parley.sock:1", "xds:///storage:50051"])
def test_what_has_no_port_of_this_machine_is_taken_as_it_is(written: str) -> None:
    assert addresses.checked(written) == written
    assert addresses.parsed(written) is None


@pytest.mark.parametrize(
    "written",
    ["", "storage", "50051", "storage:", "storage:http", "::1:50051", "storage:65536", "http://storage:1", "a b:1"],
)
def test_what_is_no_address_stops_the_start_and_names_the_setting(written: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no host:port"):
        addresses.checked(written)
    if written:
        with pytest.raises(SettingsError, match=r"^AGENT_ADDRESS \(environment\): is no host:port, for example"):
            load(Settings, environ={"AGENT_ADDRESS": written}, env_file=tmp_path / "none")


@pytest.mark.parametrize("address", [Address("storage", 1), Address("::1", 1), Address("127.0.0.1", 1)])
def test_an_address_is_written_as_it_is_read(address: Address) -> None:
    assert addresses.parsed(str(address)) == address


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://localhost:8080"),
        ("::", "http://localhost:8080"),
        ("::1", "http://[::1]:8080"),
        ("10.0.0.1", "http://10.0.0.1:8080"),
    ],
)
def test_a_browser_finds_the_gateway_whatever_it_listens_on(host: str, url: str) -> None:
    assert gateway_url(SimpleNamespace(http_host=host, http_port=8080)) == url


@pytest.mark.parametrize(
    ("port", "by", "other"), [(8080, 1, 8081), (65535, 1, 65534), (50051, 10, 50061), (65530, 10, 65520)]
)
def test_another_port_is_one_that_there_is(port: int, by: int, other: int) -> None:
    assert addresses.near(port, by) == other
