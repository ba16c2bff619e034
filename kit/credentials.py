"""What does a service show to another, and how are certificates read anew when they change?"""

import contextlib
import hmac
import os
import secrets
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from kit import certificates
from kit.settings import Settings, SettingsError

FILE_NAME = "mesh.token"


def mesh_token(settings: Settings) -> str:
    """The mesh token: set, or of the file in the data folder, which is made when missing. Empty with mTLS alone."""
    if settings.mesh_token.get_secret_value() or not has_mesh_token(settings):
        return settings.mesh_token.get_secret_value()
    path = settings.data_dir / FILE_NAME
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _create(path, secrets.token_urlsafe(32))
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"DATA_DIR: cannot keep the mesh token in {path}: {type(error).__name__}") from error
    if len(token) < 16:
        raise SettingsError(f"{path} holds no token; delete it, and a new one is made")
    return token


def has_mesh_token(settings: Settings) -> bool:
    """Whether there is one: with certificates only where it is set, too."""
    return bool(settings.mesh_token.get_secret_value()) or not uses_tls(settings)


def known_mesh_token(settings: Settings) -> str:
    """The same where there is one already, else empty: who only looks makes none."""
    is_there = bool(settings.mesh_token.get_secret_value()) or (settings.data_dir / FILE_NAME).exists()
    return mesh_token(settings) if is_there else ""


def check(settings: Settings) -> None:
    """Raises SettingsError where no service would start with these certificates, or this token. Makes nothing."""
    if uses_tls(settings):
        _reader(settings)()
    known_mesh_token(settings)


def make_data_dir(settings: Settings) -> None:
    """Makes the data folder when it is missing. Raises SettingsError where it cannot be one."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"DATA_DIR: cannot make the folder {settings.data_dir}: {error.strerror}") from None


def inspector_token(mesh: str) -> str:
    """What opens the webhook inspector and nothing else, so that a browser may have it; "" without a mesh token."""
    return hmac.digest(mesh.encode(), b"webhook inspector", "sha256").hex() if mesh else ""


def uses_tls(settings: Settings) -> bool:
    """Whether services prove themselves by certificates. All three files belong together."""
    files = (settings.mesh_tls_ca, settings.mesh_tls_cert, settings.mesh_tls_key)
    if any(files) and not all(files):
        raise SettingsError("MESH_TLS_CA, MESH_TLS_CERT and MESH_TLS_KEY must be set together")
    return all(files)


def server_credentials(settings: Settings) -> grpc.ServerCredentials:
    """mTLS for a server; new files are taken up at the next handshake, and open connections stay."""
    read = _reader(settings)
    seen = [changed_at(settings)]

    def configuration() -> grpc.ServerCertificateConfiguration:
        key, chain, ca = read()
        certificates.note(settings)
        certificates.warn(settings)
        return grpc.ssl_server_certificate_configuration([(key, chain)], root_certificates=ca)

    def fetch() -> Any:
        # Called at every handshake, from a thread of gRPC: it must be quick, and None means "no change".
        try:
            now = changed_at(settings)
            if now == seen[0]:
                return None
            fresh = configuration()
        except SettingsError:
            return None  # Half-written files: keep the old ones, look again at the next handshake.
        seen[0] = now
        return fresh

    return grpc.dynamic_ssl_server_credentials(configuration(), fetch, require_client_authentication=True)


def channel_credentials(settings: Settings) -> grpc.ChannelCredentials:
    """mTLS for a channel, with the files as they are now."""
    key, chain, ca = _reader(settings)()
    certificates.note(settings)
    return grpc.ssl_channel_credentials(root_certificates=ca, private_key=key, certificate_chain=chain)


def changed_at(settings: Settings) -> tuple[int, ...]:
    """When the certificate files were written last."""
    try:
        return tuple(path.stat().st_mtime_ns for path in _paths(settings))
    except OSError as error:
        raise _unreadable(error) from error


def _paths(settings: Settings) -> list[Path]:
    paths = (settings.mesh_tls_key, settings.mesh_tls_cert, settings.mesh_tls_ca)
    return [path for path in paths if path is not None]


def _reader(settings: Settings) -> Callable[[], tuple[bytes, bytes, bytes]]:
    def read() -> tuple[bytes, bytes, bytes]:
        try:
            key, chain, ca = (path.read_bytes() for path in _paths(settings))
            _require_fitting(_paths(settings))
        except OSError as error:
            raise _unreadable(error) from error
        return key, chain, ca

    return read


def _require_fitting(paths: list[Path]) -> None:
    """gRPC says of a wrong file only that it cannot listen, or that nobody answers."""
    key, chain, ca = paths
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(chain, key, password="")  # Without it OpenSSL asks for a passphrase, on the terminal.
    except ssl.SSLError:
        raise SettingsError(
            f"MESH_TLS_CERT, MESH_TLS_KEY: {chain} and {key} are not a PEM certificate and its key without a passphrase"
        ) from None
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError:
        raise SettingsError(f"MESH_TLS_CA: {ca} is no PEM certificate") from None


def _unreadable(error: OSError) -> SettingsError:
    return SettingsError(f"MESH_TLS_CA, _CERT or _KEY: cannot read {error.filename}: {error.strerror}")


def _create(path: Path, token: str) -> None:
    """Whole or not at all, readable by its owner alone, and never over one that another process just made."""
    descriptor, name = tempfile.mkstemp(dir=path.parent)  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(token + "\n")
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.unlink(name)
