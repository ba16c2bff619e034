"""Is it told before the certificates of the mesh end, and when they have: by a metric, in the log, and by doctor?"""

from datetime import timedelta
from pathlib import Path

import pytest

from kit import certificates, credentials, metrics
from kit.command import checks
from kit.command.findings import Finding, Level
from kit.moments import utc_now
from tests.simulated.certificates import write
from tests.unit.kit.probe import served, settings
from tests.unit.kit.test_tls import tls

SETTINGS = ("MESH_TLS_CERT", "MESH_TLS_CA")
DAY, YEAR = timedelta(days=1), timedelta(days=365)


def of_each(folder: Path) -> list[Finding]:
    return checks._certificates(settings(folder, **tls(folder / "pki")))


@pytest.mark.parametrize(
    ("since", "until", "level", "said"),
    [
        (-YEAR, 30 * DAY, Level.OK, "is valid until 20"),
        (-YEAR, 6 * DAY, Level.LOOK, "then no service lets another in"),
        (-YEAR, -DAY, Level.BROKEN, "ended 20"),
        (DAY, YEAR, Level.BROKEN, "is not valid before 20"),
        (-DAY / 2, DAY / 2, Level.OK, "is valid until 20"),
        (-DAY * 7 / 8, DAY / 8, Level.LOOK, "then no service lets another in"),
    ],
)
def test_doctor_says_how_long_each_file_will_do(
    since: timedelta, until: timedelta, level: Level, said: str, tmp_path: Path
) -> None:
    write(tmp_path / "pki", since=since, until=until)
    found = of_each(tmp_path)
    assert [each.level for each in found] == [level, level]
    for each, setting in zip(found, SETTINGS, strict=True):
        assert each.about == "certificate"
        assert f"the file of {setting} " in each.found
        assert said in each.found
        assert bool(each.fix) == (level is not Level.OK)


def test_of_authorities_the_one_that_lasts_longest_counts_and_of_a_chain_the_first(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "pki"
    write(old, since=-YEAR, until=-DAY)
    write(new)
    for file in ("ca.pem", "cert.pem"):
        (new / file).write_bytes((new / file).read_bytes() + (old / file).read_bytes())
    assert [each.level for each in of_each(tmp_path)] == [Level.OK, Level.OK]


def test_a_mesh_without_certificates_has_nothing_to_tell(tmp_path: Path) -> None:
    assert checks._certificates(settings(tmp_path)) == []


def test_a_certificate_that_only_openssl_reads_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "pki")
    (tmp_path / "pki" / "cert.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert [each.setting for each in certificates.terms(settings(tmp_path, **tls(tmp_path / "pki")))] == ["MESH_TLS_CA"]


async def test_a_server_shows_when_what_it_reads_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "pki", until=DAY)
    async with served(tmp_path, **tls(tmp_path / "pki")):
        for setting in SETTINGS:
            ends = metrics.certificate_ends.labels(setting=setting)._value.get()
            assert abs(ends - (utc_now() + DAY).timestamp()) < 3600
    assert "certificate.invalid" not in capsys.readouterr().out


def test_so_does_who_only_calls(tmp_path: Path) -> None:
    write(tmp_path / "pki", until=2 * DAY)
    credentials.channel_credentials(settings(tmp_path, **tls(tmp_path / "pki")))
    ends = metrics.certificate_ends.labels(setting="MESH_TLS_CERT")._value.get()
    assert abs(ends - (utc_now() + 2 * DAY).timestamp()) < 3600


def test_one_that_ended_is_named_in_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "pki", since=-YEAR, until=-DAY)
    credentials.server_credentials(settings(tmp_path, **tls(tmp_path / "pki")))
    said = capsys.readouterr().out
    assert [setting in said and said.count("certificate.invalid") for setting in SETTINGS] == [2, 2]
