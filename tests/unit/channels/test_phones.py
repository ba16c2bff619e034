"""Is a phone number written in one way, whatever the channel calls it?"""

import pytest

from channels.phones import e164
from channels.registry import CHANNELS
from kit.command.accounts import numbered


@pytest.mark.parametrize(
    ("stated", "written"),
    [
        ("+14155238886", "+14155238886"),
        ("34600111222", "+34600111222"),
        ("+34 600 111 222", "+34600111222"),
        ("+44 (0)20 7946 0018", "+442079460018"),
        ("+39 06 1234567", "+39061234567"),
        ("+54 9 11 2345 6789", "+5491123456789"),
        ("5215512345678", "+525512345678"),
        ("+525512345678", "+525512345678"),
    ],
)
def test_a_number_with_a_country_code_is_written_as_e164(stated: str, written: str) -> None:
    assert e164(stated) == written


@pytest.mark.parametrize(
    "stated", ["", "12345", "AMAZON", "US.13491208655302741918", "+999123456789", "+", "1" * 40, "+\u0663\u0664\u0666"]
)
def test_what_is_no_number_of_a_person_is_none(stated: str) -> None:
    assert e164(stated) == ""


@pytest.mark.parametrize(
    ("channel", "stated", "written"),
    [
        ("sms", "+1 (415) 555-0100", "+14155550100"),
        ("sms", "+14155550100", "+14155550100"),
        ("sms", "12345", "12345"),
        ("sms", "My Shop", "My Shop"),
        ("whatsapp", "whatsapp:+1 415 523 8886", "whatsapp:+14155238886"),
        ("whatsapp", "+1 415 523 8886", "+14155238886"),
    ],
)
def test_a_number_of_ours_is_written_as_its_provider_addresses_it(channel: str, stated: str, written: str) -> None:
    assert numbered(CHANNELS[channel], stated) == written


@pytest.mark.parametrize("stated", ["14155550100", "(415) 555-0100", "0034 600 111 222", "whatsapp:14155238886"])
def test_a_number_of_ours_without_a_country_is_none(stated: str) -> None:
    with pytest.raises(ValueError, match="begins with \\+"):
        numbered(CHANNELS["whatsapp"], stated)
