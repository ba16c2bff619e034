"""How does a service call another? Channels that carry the credential, the correlation id and the deadline.

Each kind of call is wrapped by itself. The interceptors of grpc.aio are not used for this: one class is registered for
its first kind only, each call costs a task, and one that awaits the call keeps a cancel from reaching the server.
"""

import asyncio
import contextlib
from functools import partial
from pathlib import Path

import grpc
from pydantic import SecretStr

from kit import addresses, credentials, local, plugins, tracing, transport
from kit.outgoing import Channel, Outgoing
from kit.settings import Settings, SettingsError

_ROTATION_SECONDS = 30.0


class Mesh:
    """The channels of one process. Nothing needs to be up when it opens: calls fail, or wait, until it is."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._neighbours = local.shared()
        self._channels: dict[str, Channel] = {}
        self._outgoing: Outgoing | None = None
        self._rotation: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Reads the credential. With mTLS, watches the certificates."""
        self._outgoing = Outgoing(credentials.mesh_token(self._settings))
        if credentials.uses_tls(self._settings):
            self._rotation = asyncio.create_task(self._rotate(credentials.changed_at(self._settings)))

    def channel(self, service: str) -> grpc.aio.Channel:
        """The channel to "storage", "agent", "llm" or "sender"; one per service, made when first asked for."""
        if self._outgoing is None:
            raise RuntimeError("open() the mesh first")
        if service not in self._channels:
            self._channels[service] = Channel(lambda: self._connect(service), self._outgoing)
        return self._channels[service]

    def plugin(self, address: str, *, token: SecretStr, ca: Path | None = None) -> grpc.aio.Channel:
        """A channel to what another team runs. It carries the token meant for it, and no credential of the mesh."""
        plugins.require_own(token, self._settings)
        connect = partial(plugins.connect, address, self._settings, ca=plugins.read_ca(ca))
        channel = self._channels[f"plugin {address}"] = Channel(connect, Outgoing(token.get_secret_value()))
        return channel

    async def close(self) -> None:
        """Ends every channel; calls under way are cancelled."""
        if self._rotation is not None:
            self._rotation.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._rotation
        channels, self._channels = list(self._channels.values()), {}
        for each in channels:
            await each.close()

    def _connect(self, service: str) -> grpc.aio.Channel:
        settings = self._settings
        if self._neighbours is not None and not credentials.uses_tls(settings):
            return local.LocalChannel(self._neighbours, service)
        target = addresses.target(getattr(settings, f"{service}_address"))
        options = transport.channel_options(settings)
        interceptors = tracing.client_interceptors()
        if credentials.uses_tls(settings):
            secured = credentials.channel_credentials(settings)
            return grpc.aio.secure_channel(target, secured, options=options, interceptors=interceptors)
        return grpc.aio.insecure_channel(target, options=options, interceptors=interceptors)

    async def _rotate(self, seen: tuple[int, ...]) -> None:
        """gRPC in Python never reads a client certificate again (grpc/grpc#41779): new files, new channels."""
        while True:
            await asyncio.sleep(_ROTATION_SECONDS)
            with contextlib.suppress(SettingsError):  # Half-written files: look again later.
                now = credentials.changed_at(self._settings)
                if now != seen:
                    for each in list(self._channels.values()):
                        await each.reconnect()
                    seen = now
