"""How is a service reached that another team runs? It knows nothing of the mesh, and gets none of its credentials."""

from pathlib import Path

import grpc
from pydantic import SecretStr

from kit import addresses, credentials, tracing, transport
from kit.settings import Settings, SettingsError


def connect(address: str, settings: Settings, *, ca: bytes | None) -> grpc.aio.Channel:
    """A bare connection: over TLS when there is a CA, and never with a certificate of ours."""
    target, options = addresses.target(address), transport.plugin_options(settings)
    interceptors = tracing.client_interceptors()
    if ca is None:
        return grpc.aio.insecure_channel(target, options=options, interceptors=interceptors)
    secured = grpc.ssl_channel_credentials(root_certificates=ca)
    return grpc.aio.secure_channel(target, secured, options=options, interceptors=interceptors)


def require_own(token: SecretStr, settings: Settings) -> None:
    """Raises SettingsError where the plug-in would be shown the token of the mesh."""
    shown = token.get_secret_value()
    if shown and shown == credentials.known_mesh_token(settings):
        raise SettingsError("a plug-in gets a token of its own: the mesh's opens everything")


def read_ca(path: Path | None) -> bytes | None:
    """The certificates that a plug-in's is checked against. SettingsError when there are none in the file."""
    if path is None:
        return None
    try:
        read = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"the CA file {path} cannot be read: {error.strerror}") from None
    if b"-----BEGIN CERTIFICATE-----" not in read:
        raise SettingsError(f"the CA file {path} holds no certificate in PEM")
    return read
