"""Does the command see which channel account is set, which is half set, and which nobody wants?"""

from pathlib import Path

import pytest

from channels.registry import CHANNELS
from gateway import settings
from gateway.domain.given import variables
from kit.command import accounts, checks
from kit.command.findings import Level
from kit.command.settings import values_of
from kit.settings import load

SID, TOKEN = {"TWILIO_ACCOUNT_SID": "AC" + "0" * 32}, {"TWILIO_AUTH_TOKEN": "canary-token"}
WHATSAPP = {"TWILIO_WHATSAPP_NUMBER": "whatsapp:+14155238886"}
META = {"META_APP_SECRET": "canary-secret", "META_VERIFY_TOKEN": "canary-token"}
CLOUD = {"WHATSAPP_ACCESS_TOKEN": "canary-token", "WHATSAPP_PHONE_NUMBER_ID": "555000111222333"}


class Gateway:
    """The settings that a check of a channel looks at."""

    public_base_url = ""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in variables(CHANNELS.values()):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def _write(folder: Path, values: dict[str, str]) -> None:
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))


def test_a_sid_without_a_token_is_broken_and_says_what_is_missing(folder: Path) -> None:
    _write(folder, SID | WHATSAPP)
    found = checks.channel("whatsapp", Gateway())
    assert [each.level for each in found] == [Level.BROKEN]
    assert "TWILIO_AUTH_TOKEN" in found[0].found
    assert found[0].fix


def test_a_twilio_account_without_a_public_address_deserves_a_look(folder: Path) -> None:
    _write(folder, SID | TOKEN | WHATSAPP)
    found = checks.channel("whatsapp", Gateway())
    assert [each.level for each in found] == [Level.LOOK]
    assert "PUBLIC_BASE_URL" in found[0].found


def test_a_channel_that_shares_credentials_with_a_complete_one_is_not_missed(folder: Path) -> None:
    _write(folder, SID | TOKEN | WHATSAPP)
    assert checks.channel("sms", Gateway()) == []


def test_two_providers_that_share_an_app_are_not_missed_for_each_other(folder: Path) -> None:
    _write(folder, META | CLOUD)
    assert [each.level for each in checks.channel("whatsapp_cloud", Gateway())] == [Level.OK]
    assert checks.channel("instagram", Gateway()) == []


def test_what_is_shared_alone_is_half_an_account(folder: Path) -> None:
    _write(folder, META)
    assert [each.level for each in checks.channel("instagram", Gateway())] == [Level.BROKEN]
    _write(folder, META | CLOUD | {"INSTAGRAM_ACCOUNT_ID": "17841400000000001"})
    assert "INSTAGRAM_ACCESS_TOKEN" in checks.channel("instagram", Gateway())[0].found


def test_a_channel_of_which_nothing_is_set_is_no_finding(folder: Path) -> None:
    assert checks.channel("telegram", Gateway()) == []


def test_the_environment_wins_over_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(folder, TOKEN)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "other")
    assert values_of(["TWILIO_AUTH_TOKEN"]) == {"TWILIO_AUTH_TOKEN": "other"}


def test_no_secret_is_shown_by_repr_or_finding(folder: Path) -> None:
    _write(folder, SID | TOKEN | WHATSAPP)
    shown = repr(accounts.account("whatsapp")) + repr(checks.channel("whatsapp", Gateway()))
    assert "canary" not in shown


def test_the_command_reads_the_file_as_the_services_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME_SECRET", "canary")
    (folder / ".env").write_text('telegram_webhook_secret="a${HOME_SECRET}b" \nTELEGRAM_BOT_TOKEN=" 1:2 "\n')
    names = ["TELEGRAM_WEBHOOK_SECRET", "TELEGRAM_BOT_TOKEN"]
    of_a_service = load(settings.Settings)
    assert values_of(names) == {"TELEGRAM_WEBHOOK_SECRET": "a${HOME_SECRET}b", "TELEGRAM_BOT_TOKEN": "1:2"}
    assert of_a_service.telegram_webhook_secret.get_secret_value() == values_of(names)["TELEGRAM_WEBHOOK_SECRET"]
