"""Whose is an access token of Meta's, and what does a person click there?

https://developers.facebook.com/documentation/business-messaging/whatsapp/reference/whatsapp-business-phone-number
https://developers.facebook.com/docs/instagram-platform/reference/me
"""

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from channels import instagram, meta_errors, whatsapp_cloud
from channels.channel import Answer, Call, Unauthorized, Unavailable
from channels.meta_graph import TIMEOUT_SECONDS, VERSION, taken
from channels.payload import content, integer, mapping, seconds, string
from channels.setup import NEVER, Asking, Candidate, Known, Refused, Standing

APPS = "https://developers.facebook.com > My Apps > the app"
NO_SUCH = 100  # an id that the token may not see, or a proof by another app's secret: Meta says no more
UNPROVED = "the verify_token is proved when Meta verifies the URL"

_TOKEN = re.compile(r"[!-~]{1,2000}", re.ASCII)
_ID = re.compile(r"[0-9]{1,32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class MetaSetup:
    """An account's. `me` asks the token whose it is; otherwise the account is asked for by its id."""

    base_url: str
    fields: tuple[str, str]  # its name, and what people know it by
    me: bool
    where: str  # a person finds the token and the id
    steps: Callable[[str], tuple[str, ...]]
    made_up: tuple[str, ...] = ()
    url_ending: str = ""

    def probe(self, candidate: Candidate) -> Asking[Known]:
        """One GET, with the proof by the app's secret where sends carry it, too."""
        told = self._told((yield self._call(candidate)))
        name, known_by = (string(told.get(each)) for each in self.fields)
        if self.me and known_by != candidate.address:
            raise Refused("the access_token is another account's than the address", fix=self.where)
        notes = (UNPROVED,) if self.me or not known_by else (f"people write to {known_by}", UNPROVED)
        if self.me:  # nobody tells: such a token lasts 60 days from when it was made or refreshed
            return Known(name, candidate.address, notes)
        expires_at = _expiry((yield self._debug(candidate)))
        if expires_at not in (None, NEVER):
            notes = (*notes, f"the access_token ends at {expires_at:%Y-%m-%d %H:%M} UTC; a system user's never does")
        return Known(name, candidate.address, notes, expires_at)

    def inspect(self, _candidate: Candidate) -> Asking[tuple[Standing, ...]]:
        """Only the app's own token would be told."""
        yield from ()
        return ()

    def register(self, _candidate: Candidate) -> None:
        """By hand: one URL serves all accounts of the app."""

    def unregister(self, _candidate: Candidate) -> None:
        """By hand as well."""

    def clicks(self, candidate: Candidate) -> tuple[str, ...]:
        """With the URL to enter."""
        return self.steps(candidate.webhook_url or f"https://<your host>{candidate.webhook_path}")

    def _call(self, candidate: Candidate) -> Call:
        token, secret = (candidate.credentials.get(each, "") for each in ("access_token", "app_secret"))
        if not _TOKEN.fullmatch(token):
            raise Refused("the access_token does not look like one", fix=self.where)
        if not _ID.fullmatch(candidate.address):
            raise Refused("the address is the account's id at Meta, digits only", fix=self.where)
        query = {"fields": ",".join(self.fields)}
        if secret and not self.me:
            query["appsecret_proof"] = hmac.digest(secret.encode(), token.encode(), "sha256").hex()
        path = "me" if self.me else candidate.address
        url = f"{(candidate.api_base_url or self.base_url).rstrip('/')}/{VERSION}/{path}?{urlencode(query)}"
        return Call(
            "GET", url, {"authorization": f"Bearer {token}", "accept": "application/json"}, b"", TIMEOUT_SECONDS
        )

    def _debug(self, candidate: Candidate) -> Call:
        """A token may ask about itself.

        https://developers.facebook.com/docs/graph-api/reference/debug_token/
        """
        token = candidate.credentials["access_token"]
        base = (candidate.api_base_url or self.base_url).rstrip("/")
        url = f"{base}/{VERSION}/debug_token?{urlencode({'input_token': token})}"
        headers = {"authorization": f"Bearer {token}", "accept": "application/json"}
        return Call("GET", url, headers, b"", TIMEOUT_SECONDS)

    def _told(self, answer: Answer) -> dict[str, object]:
        if not 200 <= answer.status < 300:
            failure = meta_errors.failure(answer)
            if isinstance(failure, Unauthorized):
                raise Refused("Meta refuses this access_token", fix=self.where, provider_code=failure.provider_code)
            if failure.provider_code.partition("/")[0] == str(NO_SUCH):
                what = "Meta does not show this id to this access_token, or the app_secret is another app's"
                raise Refused(what, fix=self.where, provider_code=failure.provider_code)
            raise failure
        told = taken(answer)
        if not any(each in told for each in self.fields):
            raise Unavailable("what answered is not Meta", provider_code=str(answer.status))
        return told


def _expiry(answer: Answer) -> datetime | None:
    """None when it is not told: Meta may want another token to ask with, and nothing hangs on it."""
    told = mapping(content(answer.body).get("data"))
    ends = integer(told.get("expires_at"))
    if answer.status == 200 and ends == 0:
        return NEVER
    return datetime.fromtimestamp(seconds(ends), UTC) if answer.status == 200 and seconds(ends) else None


def for_whatsapp() -> MetaSetup:
    """Of the channel whatsapp_cloud."""
    return MetaSetup(
        base_url=whatsapp_cloud.API_BASE_URL,
        fields=("verified_name", "display_phone_number"),
        me=False,
        where=f"{APPS} > WhatsApp > API Setup has the Phone number ID; the token is a system user's, of the same app",
        steps=_whatsapp_clicks,
    )


def for_instagram() -> MetaSetup:
    """Of the channel instagram."""
    return MetaSetup(
        base_url=instagram.API_BASE_URL,
        fields=("username", "user_id"),
        me=True,
        where=f"{APPS} > Instagram > API setup > Generate access tokens; the address is its user_id, not its id",
        steps=_instagram_clicks,
    )


def _whatsapp_clicks(url: str) -> tuple[str, ...]:
    return (
        f"{APPS} > WhatsApp > Configuration > Webhook > Edit",
        f"Callback URL: {url}, Verify token: the verify_token of this account; Verify and save",
        "Manage: subscribe messages; with the WhatsApp Business app, smb_message_echoes too",
    )


def _instagram_clicks(url: str) -> tuple[str, ...]:
    return (
        f"{APPS} > Instagram > API setup with Instagram login > Configure webhooks",
        f"Callback URL: {url}, Verify token: the verify_token of this account; Verify and save",
        "Subscribe messages, messaging_postbacks, messaging_seen, message_reactions, message_edit",
        "Once for the account: the call to subscribed_apps in docs/channels/instagram.md",
    )
