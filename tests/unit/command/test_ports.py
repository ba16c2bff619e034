"""Does a taken port end in one line that names it and what to do?"""

import socket
from collections.abc import Iterator

import pytest

from kit.command.ports import Port, is_open, require_free
from kit.command.screen import Mistake
from tests.simulated.wire import free_port


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_is_named_with_its_fix(taken: int) -> None:
    with pytest.raises(Mistake) as caught:
        require_free([Port("127.0.0.1", taken, "web", "--http-port 8081")])
    assert str(caught.value) == f"port {taken} on 127.0.0.1 (web) is in use by another program"
    assert caught.value.fix == "is another Parley running? Else move it: --http-port 8081"


def test_all_that_are_taken_are_named_at_once(taken: int) -> None:
    with pytest.raises(Mistake) as caught:
        require_free(
            [
                Port("127.0.0.1", taken, "web", "--http-port 8081"),
                Port("127.0.0.1", 0, "llm service", "LLM_ADDRESS=127.0.0.1:1"),
                Port("192.0.2.1", 1, "storage service", "STORAGE_ADDRESS=192.0.2.1:11"),
            ]
        )
    assert "(web) is in use by another program; port 1 on 192.0.2.1 (storage service) is not" in str(caught.value)
    assert caught.value.fix.endswith("Else move them: --http-port 8081 STORAGE_ADDRESS=192.0.2.1:11")


def test_a_free_port_and_port_zero_pass(taken: int) -> None:
    free = free_port()
    require_free([Port("127.0.0.1", free, "web", ""), Port("127.0.0.1", 0, "web", "")])
    assert is_open("127.0.0.1", taken)
    assert not is_open("127.0.0.1", free)


def test_an_address_of_another_machine_is_said_to_be_so() -> None:
    with pytest.raises(Mistake, match="is not an address of this machine"):
        require_free([Port("192.0.2.1", 8080, "web", "")])


def test_a_name_that_nobody_knows_is_a_mistake_and_no_traceback() -> None:
    with pytest.raises(Mistake, match="cannot be used"):
        require_free([Port("no-such-host.invalid", 8080, "web", "")])
