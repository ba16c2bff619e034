"""What does the gateway say of a setting that is wrong or half there?"""

from pathlib import Path

import pytest

from channels.registry import CHANNELS
from gateway.domain import given
from gateway.settings import Settings
from kit.settings import SettingsError, load

TWILIO = {"TWILIO_ACCOUNT_SID": "AC" + "1" * 32, "TWILIO_AUTH_TOKEN": "canary-token"}


def loaded(tmp_path: Path, **environ: str) -> Settings:
    return load(Settings, environ=environ, env_file=tmp_path / "none")


def test_without_credentials_there_are_no_accounts(tmp_path: Path) -> None:
    assert loaded(tmp_path).given_accounts() == ()


def test_one_twilio_account_can_have_two_numbers(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path, **TWILIO, TWILIO_PHONE_NUMBER="+14155550100", TWILIO_WHATSAPP_NUMBER="whatsapp:+14155238886"
    )
    made = {each.channel: each for each in settings.given_accounts()}
    assert set(made) == {"sms", "whatsapp"}
    assert made["sms"].address == "+14155550100"
    assert made["sms"].credentials["auth_token"] == "canary-token"
    assert "canary" not in repr(made)


def test_one_meta_app_serves_whatsapp_and_instagram(tmp_path: Path) -> None:
    meta = {"META_APP_SECRET": "canary-secret", "META_VERIFY_TOKEN": "canary-verify"}
    cloud = {"WHATSAPP_ACCESS_TOKEN": "canary-token", "WHATSAPP_PHONE_NUMBER_ID": "555000111222333"}
    (made,) = loaded(tmp_path, **meta, **cloud).given_accounts()
    assert (made.channel, made.address) == ("whatsapp_cloud", "555000111222333")
    assert dict(made.credentials) == {
        "app_secret": "canary-secret",
        "verify_token": "canary-verify",
        "access_token": "canary-token",
    }
    with pytest.raises(SettingsError, match="INSTAGRAM_ACCOUNT_ID or WHATSAPP_PHONE_NUMBER_ID is missing"):
        loaded(tmp_path, **meta)
    with pytest.raises(SettingsError, match="INSTAGRAM_ACCESS_TOKEN is missing"):
        loaded(tmp_path, **meta, **cloud, INSTAGRAM_ACCOUNT_ID="17841400000000001")


def test_a_telegram_bot_needs_its_webhook_secret(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="TELEGRAM_WEBHOOK_SECRET is missing") as wrong:
        loaded(tmp_path, TELEGRAM_BOT_TOKEN="123:canary")
    assert "canary" not in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_a_channel_that_is_named_in_the_registry_only_has_its_account_from_the_environment(tmp_path: Path) -> None:
    found = loaded(tmp_path, LINE_CHANNEL_SECRET="canary", LINE_CHANNEL_ACCESS_TOKEN="another")
    [account] = found.given_accounts()
    assert (account.channel, account.address) == ("line", "line")
    assert account.credentials == {"channel_secret": "canary", "access_token": "another"}
    assert "canary" not in repr(found)
    with pytest.raises(SettingsError, match="LINE_CHANNEL_SECRET is missing"):
        loaded(tmp_path, LINE_CHANNEL_ACCESS_TOKEN="another")


def test_a_number_needs_its_credentials(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="TWILIO_AUTH_TOKEN is missing"):
        loaded(tmp_path, TWILIO_ACCOUNT_SID="AC1", TWILIO_PHONE_NUMBER="+14155550100")


def test_a_number_is_taken_as_twilio_writes_it_or_stops_the_start(tmp_path: Path) -> None:
    [account] = loaded(tmp_path, **TWILIO, TWILIO_PHONE_NUMBER="+1 415 555 0100").given_accounts()
    assert account.address == "+14155550100"
    why = "TWILIO_WHATSAPP_NUMBER: a number begins with \\+ and its country code"
    with pytest.raises(SettingsError, match=why) as refused:
        loaded(tmp_path, **TWILIO, TWILIO_WHATSAPP_NUMBER="1 415 523 8886")
    assert "8886" not in str(refused.value)


def test_credentials_need_a_number(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="TWILIO_PHONE_NUMBER or TWILIO_WHATSAPP_NUMBER is missing"):
        loaded(tmp_path, **TWILIO)


@pytest.mark.parametrize("secret", ["", " ", "\t"])
def test_a_blank_secret_is_a_missing_one(tmp_path: Path, secret: str) -> None:
    with pytest.raises(SettingsError, match="TELEGRAM_WEBHOOK_SECRET is missing"):
        loaded(tmp_path, TELEGRAM_BOT_TOKEN="123:x", TELEGRAM_WEBHOOK_SECRET=secret)


def test_every_variable_that_a_channel_names_is_a_setting() -> None:
    assert {name.lower() for name in given.variables(CHANNELS.values())} <= set(Settings.model_fields)


@pytest.mark.parametrize("url", ["chat.example.com", "ftp://x", "https://x?a=b", "https://"])
def test_a_public_url_that_providers_cannot_call_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match="PUBLIC_BASE_URL"):
        loaded(tmp_path, PUBLIC_BASE_URL=url)


def test_a_proxy_that_is_no_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="HTTP_TRUSTED_PROXIES"):
        loaded(tmp_path, HTTP_TRUSTED_PROXIES="10.0.0.0/8, everyone")
