"""Who vouches for a server on loopback? A certificate for 127.0.0.1, and the authority behind it, in PEM files."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def write(
    folder: Path,
    ca: tuple[Any, Any] | None = None,
    *,
    since: timedelta = timedelta(minutes=-5),
    until: timedelta = timedelta(days=1),
) -> tuple[Any, Any]:
    """A certificate for 127.0.0.1 by the CA, or by a new CA; returns the CA."""
    folder.mkdir(exist_ok=True)
    now = datetime.now(UTC)

    def issue(subject: str, key: Any, issuer: str, signer: Any, *, is_ca: bool) -> Any:
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + since)
            .not_valid_after(now + until)
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        )
        return builder.sign(signer, hashes.SHA256())

    if ca is None:
        ca_key = ec.generate_private_key(ec.SECP256R1())
        ca = ca_key, issue("mesh ca", ca_key, "mesh ca", ca_key, is_ca=True)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = issue("service", key, "mesh ca", ca[0], is_ca=False)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "ca.pem").write_bytes(ca[1].public_bytes(pem))
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(private)
    return ca
