"""What does a server of files do, well or ill? HTTPS under a name of its own, on loopback."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    name: str  # that TLS was asked for
    host: str
    path: str
    headers: Mapping[str, str]


# Writes the whole answer, or is a coroutine that does; the connection is closed behind it.
Script = Callable[[asyncio.StreamWriter], object]


@dataclass
class Files:
    """Serves what `paths` say; counts whoever comes, TLS or not."""

    folder: Path
    names: tuple[str, ...] = ("files.provider.test",)
    paths: dict[str, Script] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    async def __aenter__(self) -> "Files":
        self._write_certificate()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "cert.pem", self.folder / "key.pem")
        self._named: list[str] = []
        context.sni_callback = lambda _socket, name, _context: self._named.append(name or "")
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    def url(self, path: str, name: str = "") -> str:
        return f"https://{name or self.names[0]}:{self.port}{path}"

    def believing(self) -> ssl.SSLContext:
        """What believes its certificate, and no other."""
        return ssl.create_default_context(cafile=str(self.folder / "cert.pem"))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            path = first.split(" ")[1]
            self.asked.append(Asked(self._named[-1] if self._named else "", headers.get("host", ""), path, headers))
            answered = self.paths.get(path, not_there)(writer)
            if asyncio.iscoroutine(answered):
                await answered
            await writer.drain()
        writer.close()

    def _write_certificate(self) -> None:
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.names[0])])
        builder = x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(minutes=5)).not_valid_after(now + timedelta(days=1))
        known = x509.SubjectAlternativeName([x509.DNSName(name) for name in self.names])
        certificate = builder.add_extension(known, critical=False).sign(key, hashes.SHA256())
        pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
        (self.folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
        (self.folder / "key.pem").write_bytes(private)


def content(body: bytes, *, status: int = 200, **headers: str) -> Script:
    """An answer as it should be."""
    stated = {"content-length": str(len(body)), "content-type": "application/octet-stream"}
    stated |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in stated.items() if value)
    return lambda writer: writer.write(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body)


def moved(to: str, *, status: int = 302) -> Script:
    return content(b"", status=status, location=to)


def not_there(writer: asyncio.StreamWriter) -> object:
    return content(b"no", status=404)(writer)


def without_end(piece: bytes, *, pause_seconds: float = 0.0) -> Script:
    """A body of no stated length, for as long as somebody reads it."""

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n")
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_seconds)

    return drip
