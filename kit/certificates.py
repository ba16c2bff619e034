"""When do the certificates of the mesh end? Nobody reaches anybody then, so doctor and a metric tell it before."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from kit import logs, metrics
from kit.moments import utc_now
from kit.settings import Settings

SOON, SOON_SHARE = timedelta(days=7), 0.25  # of its life: one of a day is made anew each day


@dataclass(frozen=True, slots=True)
class Term:
    """For how long the file that a setting names will do."""

    setting: str
    begins_at: datetime
    ends_at: datetime

    def trouble(self, now: datetime) -> str:
        """Why nobody is let in by it; empty when somebody is."""
        if now < self.begins_at:
            return f"is not valid before {shown(self.begins_at)}"
        return f"ended {shown(self.ends_at)}" if now >= self.ends_at else ""

    def ends_soon(self, now: datetime) -> bool:
        return self.ends_at - now < min(SOON, (self.ends_at - self.begins_at) * SOON_SHARE)


def terms(settings: Settings) -> list[Term]:
    """Of our own certificate, and of the authority that lasts longest: one that is replaced stays beside its heir."""
    own, others = _terms("MESH_TLS_CERT", settings.mesh_tls_cert), _terms("MESH_TLS_CA", settings.mesh_tls_ca)
    return [*own[:1], *sorted(others, key=lambda each: each.ends_at)[-1:]]


def note(settings: Settings) -> None:
    """Shows the terms of what is used from now on to who watches."""
    for each in terms(settings):
        metrics.certificate_ends.labels(setting=each.setting).set(each.ends_at.timestamp())


def warn(settings: Settings) -> None:
    """Says in the log what will not do: gRPC says nothing of it."""
    for each in terms(settings):
        if each.trouble(utc_now()):
            begins_at, ends_at = each.begins_at, each.ends_at
            logs.get("mesh").warning("certificate.invalid", setting=each.setting, begins_at=begins_at, ends_at=ends_at)


def shown(at: datetime) -> str:
    """For a person."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _terms(setting: str, file: Path | None) -> list[Term]:
    """As they stand in the file. None of one that OpenSSL reads and this library does not."""
    try:
        found = x509.load_pem_x509_certificates(file.read_bytes()) if file else []
    except (OSError, ValueError):
        return []
    return [Term(setting, each.not_valid_before_utc, each.not_valid_after_utc) for each in found]
