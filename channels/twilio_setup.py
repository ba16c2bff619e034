"""Whose are a Twilio account's credentials, and is the number theirs? What a person clicks at Twilio.

https://www.twilio.com/docs/iam/api/account
https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource
https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
"""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from channels import twilio_errors
from channels.channel import Answer, Call, Unauthorized, Unavailable, Unreadable
from channels.payload import items, mapping, parse_json, string
from channels.setup import Asking, Candidate, Known, Refused, Standing
from channels.twilio_api import API_BASE_URL, TIMEOUT_SECONDS

CONSOLE = "https://console.twilio.com"
SANDBOX = "+14155238886"  # every trial's WhatsApp sandbox has this number; it is Twilio's own
# Part of the URL for Twilio alone: it comes again when we were not there, ended, or could not. Neither sent nor signed.
COME_AGAIN = "#rc=5&rp=ct,rt,5xx"
CREDENTIALS_FIX = f"{CONSOLE} > Account Info shows both: the Account SID (AC…) and the primary Auth Token, no API key"
NUMBER_FIX = f"take one of {CONSOLE} > Phone Numbers > Manage > Active numbers, with its plus: +14155550100"

_SID = re.compile(r"AC[0-9a-fA-F]{32}", re.ASCII)
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)

Clicks = Callable[[str, str], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class TwilioSetup:
    """A number's. Only those for text messages can be looked up: a WhatsApp sender need not be a number of Twilio's."""

    prefix: str
    looks_up: bool
    steps: Clicks
    made_up: tuple[str, ...] = ()
    url_ending: str = COME_AGAIN

    def probe(self, candidate: Candidate) -> Asking[Known]:
        """The account; then the number."""
        _check(candidate)
        account = _content((yield _call(candidate, ".json")))
        status = string(account.get("status"))
        if status != "active":
            what = f"Twilio says that the account is {status or 'nothing that we know'}"
            raise Refused(what, fix=f"{CONSOLE} says why, and how it becomes active")
        notes = ["trial account: it reaches verified numbers only"] if account.get("type") == "Trial" else []
        number = self._number(candidate)
        if self.looks_up and _NUMBER.fullmatch(number):
            _check_number(_found((yield _numbers(candidate, number)), number))
        elif number == SANDBOX:
            notes.append("the sandbox's number: people send its join words first, and again every three days")
        else:
            notes.append("whether the number is this account's shows with the first message: Twilio is not asked")
        return Known(string(account.get("friendly_name")), number, tuple(notes))

    def inspect(self, candidate: Candidate) -> Asking[tuple[Standing, ...]]:
        """What stands at the number; nothing is known of WhatsApp senders and of short codes."""
        number = self._number(candidate)
        if not (self.looks_up and _NUMBER.fullmatch(number)):
            return ()
        _check(candidate)
        found = _found((yield _numbers(candidate, number)), number)
        _check_number(found)
        return (_standing(mapping(found), candidate),)

    def register(self, _candidate: Candidate) -> None:
        """By hand: what stands at a number may be another program's, and a WhatsApp sender has no such field."""

    def unregister(self, _candidate: Candidate) -> None:
        """By hand as well."""

    def clicks(self, candidate: Candidate) -> tuple[str, ...]:
        """With the URL to enter."""
        number = self._number(candidate)
        url = candidate.webhook_url or f"https://<your host>{candidate.webhook_path}"
        return self.steps(number, url + self.url_ending)

    def _number(self, candidate: Candidate) -> str:
        return candidate.address.removeprefix(self.prefix)


def sms() -> TwilioSetup:
    """Of the channel sms."""
    return TwilioSetup(prefix="", looks_up=True, steps=_sms_clicks)


def whatsapp() -> TwilioSetup:
    """Of the channel whatsapp."""
    return TwilioSetup(prefix="whatsapp:", looks_up=False, steps=_whatsapp_clicks)


def _sms_clicks(number: str, url: str) -> tuple[str, ...]:
    return (
        f"{CONSOLE} > Phone Numbers > Manage > Active numbers > {number} > Configure",
        f"Messaging Configuration > A message comes in: Webhook, {url}, HTTP POST",
        "Save configuration. A number in a messaging service: Messaging > Services > it > Integration, the same URL",
    )


def _whatsapp_clicks(number: str, url: str) -> tuple[str, ...]:
    if number == SANDBOX:
        return (
            f"{CONSOLE} > Messaging > Try it out > Send a WhatsApp message > Sandbox settings",
            f"When a message comes in: {url}, method POST",
            "Save",
        )
    return (
        f"{CONSOLE} > Messaging > Senders > WhatsApp senders > {number} > Edit sender",
        f"Webhook URL for incoming messages: {url}, method HTTP POST. The status callback URL stays empty",
        "Update WhatsApp sender",
    )


def _check(candidate: Candidate) -> None:
    if not _SID.fullmatch(candidate.credentials.get("account_sid", "")):
        raise Refused("the account_sid does not look like one: AC and 32 more characters", fix=CREDENTIALS_FIX)
    if "auth_token" not in candidate.credentials:
        raise Refused("there is no auth_token", fix=CREDENTIALS_FIX)


def _check_number(found: Mapping[str, object] | None) -> None:
    if found is None:
        raise Refused("the number is none of this Twilio account's", fix=NUMBER_FIX)
    if mapping(found.get("capabilities")).get("sms") is False:
        raise Refused("the number can do no text messages", fix=NUMBER_FIX)


def _standing(number: Mapping[str, object], candidate: Candidate) -> Standing:
    url, method = string(number.get("sms_url")), string(number.get("sms_method"))
    if number.get("sms_application_sid"):
        return Standing(False, "a TwiML app answers for the number, not its webhook")
    if not url:
        return Standing(False, "none is set at the number")
    if not candidate.public_base_url:
        return Standing(False, "set, but whether to us cannot be said", "set PUBLIC_BASE_URL to what the mesh has")
    if not candidate.is_here(url):
        return Standing(False, "set to another address: it gets what people write, and we do not")
    if method != "POST":
        return Standing(False, f"set to {url}, by GET: Twilio must POST")
    rest = "" if "rc=" in url.partition("#")[2] else f"; with {COME_AGAIN} behind it Twilio comes again after a failure"
    return Standing(True, f"set to {url}{rest}")


def _numbers(candidate: Candidate, number: str) -> Call:
    return _call(candidate, f"/IncomingPhoneNumbers.json?{urlencode({'PhoneNumber': number, 'PageSize': '1'})}")


def _found(answer: Answer, number: str) -> Mapping[str, object] | None:
    listed = map(mapping, items(_content(answer).get("incoming_phone_numbers")))
    return next((each for each in listed if each.get("phone_number") == number), None)


def _call(candidate: Candidate, rest: str) -> Call:
    account_sid, token = candidate.credentials["account_sid"], candidate.credentials["auth_token"]
    base = (candidate.api_base_url or API_BASE_URL).rstrip("/")
    basic = b64encode(f"{account_sid}:{token}".encode()).decode()
    headers = {"authorization": f"Basic {basic}", "accept": "application/json"}
    url = f"{base}/2010-04-01/Accounts/{quote(account_sid, safe='')}{rest}"
    return Call("GET", url, headers, b"", TIMEOUT_SECONDS)


def _content(answer: Answer) -> Mapping[str, object]:
    """The account's own JSON holds its auth token: nothing of it is shown but what is read by name."""
    if not 200 <= answer.status < 300:
        failure = twilio_errors.failure(answer)
        if isinstance(failure, Unauthorized):
            what = "Twilio does not know this account_sid with this auth_token"
            raise Refused(what, fix=CREDENTIALS_FIX, provider_code=failure.provider_code)
        raise failure
    try:
        return parse_json(answer.body)
    except Unreadable:
        raise Unavailable("what answered is not Twilio", provider_code=str(answer.status)) from None
