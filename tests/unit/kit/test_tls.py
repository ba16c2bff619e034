"""Do services with certificates know each other, and take up new certificates without dropping a call?"""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from pydantic import SecretStr

from kit import credentials
from kit.settings import Settings, SettingsError
from tests.simulated.certificates import write
from tests.unit.kit.probe import (
    SECONDS,
    Keys,
    Probe,
    ProbeRequest,
    ProbeStub,
    bearer,
    opened,
    seen,
    served,
    settings,
)


def tls(folder: Path) -> dict[str, Any]:
    """The settings that name the files."""
    files = {"mesh_tls_ca": "ca.pem", "mesh_tls_cert": "cert.pem", "mesh_tls_key": "key.pem"}
    return {setting: folder / file for setting, file in files.items()} | {"mesh_token": SecretStr("")}


async def test_a_certificate_of_the_mesh_is_a_credential(tmp_path: Path) -> None:
    write(tmp_path / "pki")
    async with served(tmp_path, **tls(tmp_path / "pki")) as (_, port):
        of = settings(tmp_path, storage_address=f"127.0.0.1:{port}", **tls(tmp_path / "pki"))
        async with opened(of) as mesh:
            answer = await ProbeStub(mesh.channel("storage")).Say(ProbeRequest(text="x"), timeout=SECONDS)
    assert answer.caller == "mesh"


@pytest.mark.parametrize(
    ("names", "is_ours"), [("storage.mesh, service", True), ("127.0.0.1", True), ("storage.mesh", False)]
)
async def test_a_certificate_for_another_host_opens_the_connection_and_nothing_else(
    tmp_path: Path, names: str, is_ours: bool
) -> None:
    write(tmp_path / "pki")
    async with served(tmp_path, keys=Keys(), mesh_tls_names=names, **tls(tmp_path / "pki")) as (_, port):
        of = settings(tmp_path, storage_address=f"127.0.0.1:{port}", **tls(tmp_path / "pki"))
        async with opened(of) as mesh:
            stub = ProbeStub(mesh.channel("storage"))
            keyed = await stub.Say(ProbeRequest(), timeout=SECONDS, metadata=bearer("key-a"))
            assert keyed.caller == "key of a"
            if is_ours:
                assert (await stub.Say(ProbeRequest(), timeout=SECONDS)).caller == "mesh"
                return
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Say(ProbeRequest(), timeout=SECONDS)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_certificate_of_somebody_else_is_not_let_in(tmp_path: Path) -> None:
    write(tmp_path / "pki")
    write(tmp_path / "other")
    ca = tmp_path / "pki" / "ca.pem"
    async with served(tmp_path, **tls(tmp_path / "pki")) as (_, port):
        stranger = tls(tmp_path / "other") | {"mesh_tls_ca": ca}
        async with opened(settings(tmp_path, storage_address=f"127.0.0.1:{port}", **stranger)) as mesh:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await ProbeStub(mesh.channel("storage")).Say(ProbeRequest(), timeout=SECONDS)
        anonymous = grpc.ssl_channel_credentials(ca.read_bytes())
        async with grpc.aio.secure_channel(f"127.0.0.1:{port}", anonymous) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await ProbeStub(channel).Say(ProbeRequest(), timeout=SECONDS)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_new_certificates_are_taken_up_and_no_call_is_dropped(tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    write(pki)

    async def work(request: Any, context: Any) -> Any:
        await asyncio.sleep(0.3 if request.text == "slow" else 0)
        return seen(request)

    async with served(tmp_path, Probe(work), **tls(pki)) as (_, port):
        of = settings(tmp_path, storage_address=f"127.0.0.1:{port}", **tls(pki))
        async with opened(of) as mesh:
            channel: Any = mesh.channel("storage")
            stub = ProbeStub(channel)
            await stub.Say(ProbeRequest(), timeout=SECONDS)
            slow = asyncio.ensure_future(stub.Say(ProbeRequest(text="slow"), timeout=SECONDS))
            await asyncio.sleep(0.05)
            before = credentials.changed_at(of)
            write(pki)  # A new CA: only somebody who read both new files can connect.
            assert credentials.changed_at(of) != before
            await channel.reconnect()
            assert (await stub.Say(ProbeRequest(text="new"), timeout=SECONDS)).text == "new"
            assert (await slow).text == "slow"


def test_half_of_the_tls_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="must be set together"):
        credentials.uses_tls(Settings(mesh_tls_ca=tmp_path / "ca.pem"))


def test_a_missing_certificate_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read"):
        credentials.server_credentials(settings(tmp_path, **tls(tmp_path)))


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("key.pem", "MESH_TLS_CERT, MESH_TLS_KEY"),
        ("cert.pem", "MESH_TLS_CERT, MESH_TLS_KEY"),
        ("ca.pem", "MESH_TLS_CA"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"no PEM"])
def test_a_file_that_holds_something_else_is_named(tmp_path: Path, file: str, said: str, content: bytes) -> None:
    """gRPC would say that the port is taken, or that nobody answers."""
    write(tmp_path)
    (tmp_path / file).write_bytes(content)
    for wanted in (credentials.server_credentials, credentials.channel_credentials):
        with pytest.raises(SettingsError, match=said):
            wanted(settings(tmp_path, **tls(tmp_path)))


def test_a_key_of_another_certificate_and_one_with_a_passphrase_are_named(tmp_path: Path) -> None:
    write(tmp_path / "pki")
    write(tmp_path / "other")
    mixed = tls(tmp_path / "pki") | {"mesh_tls_key": tmp_path / "other" / "key.pem"}
    with pytest.raises(SettingsError, match="not a PEM certificate and its key"):
        credentials.server_credentials(settings(tmp_path, **mixed))
    key: Any = serialization.load_pem_private_key((tmp_path / "pki" / "key.pem").read_bytes(), password=None)
    locked = serialization.BestAvailableEncryption(b"passphrase")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    (tmp_path / "pki" / "key.pem").write_bytes(pem)
    with pytest.raises(SettingsError, match="without a passphrase"):
        credentials.channel_credentials(settings(tmp_path, **tls(tmp_path / "pki")))


async def test_certificates_that_are_half_written_are_looked_at_again(tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    ca = write(pki)
    async with served(tmp_path, **tls(pki)) as (_, port):
        of = settings(tmp_path, storage_address=f"127.0.0.1:{port}", **tls(pki))
        whole = (pki / "cert.pem").read_bytes()
        async with opened(of) as mesh:
            (pki / "cert.pem").write_bytes(whole[: len(whole) // 2])
            with pytest.raises(SettingsError):
                mesh.channel("storage")
            (pki / "cert.pem").write_bytes(whole)
            assert await ProbeStub(mesh.channel("storage")).Say(ProbeRequest(), timeout=SECONDS)
            write(pki, ca)
            assert await ProbeStub(mesh.channel("storage")).Say(ProbeRequest(), timeout=SECONDS)
