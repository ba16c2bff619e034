"""Which phone number is meant? The one way to write it that all channels share: E.164, https://www.itu.int/rec/T-REC-E.164."""

import re
from functools import lru_cache

import phonenumbers

# A country code, and 15 digits in all at most. Short codes and names of senders are no numbers of people.
SHAPE = re.compile(r"[1-9][0-9]{6,14}", re.ASCII)
# WhatsApp still writes Mexico's mobile numbers with the 1 that left them in 2019.
MEXICO = re.compile(r"521([0-9]{10})", re.ASCII)
LONGEST_SHORT_CODE = 8
AROUND = str.maketrans("", "", " -().\u00a0")


@lru_cache(maxsize=10_000)
def e164(stated: str) -> str:
    """The number with its plus, from one with a country code, with or without a plus. Empty when it is none."""
    digits = stated.translate(AROUND).removeprefix("+")
    if mexican := MEXICO.fullmatch(digits):
        digits = f"52{mexican[1]}"
    if not SHAPE.fullmatch(digits):
        return ""
    try:
        number = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def of_ours(stated: str) -> str:
    """A number that sends, as its provider writes it, from one with spaces and marks; a short code and a name stay.
    Raises ValueError where nobody can know which country it is in."""
    digits = stated.translate(AROUND)
    if not (digits.isascii() and digits.removeprefix("+").isdigit()):
        return stated
    if not digits.startswith("+") and len(digits) > LONGEST_SHORT_CODE:
        raise ValueError("a number begins with + and its country code")
    return digits
