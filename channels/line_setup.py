"""Who is a LINE Official Account, and where do its webhooks go? https://developers.line.biz/en/reference/messaging-api/#bot"""

from collections.abc import Mapping

import orjson

from channels.channel import Answer, Call, DeliveryError, Unauthorized, Unavailable
from channels.line import API_BASE_URL, TIMEOUT_SECONDS, failure, token_of
from channels.payload import content, integer, string
from channels.setup import Asking, Candidate, Known, Refused, Standing

CONSOLE = "https://developers.line.biz/console > the channel > Messaging API"
TOKEN_PAGE = f"{CONSOLE} > Channel access token (long-lived) > Issue"
UNPROVED = "whether the channel_secret is right shows when the webhook is tested: only LINE signs with it"
CHATS = "Chat is on: people of yours may answer in the LINE app as well, and auto-replies too unless they are off"
_ENDPOINT, _TEST = "/v2/bot/channel/webhook/endpoint", "/v2/bot/channel/webhook/test"
_NOT_REACHED = (
    "the gateway must answer at PUBLIC_BASE_URL from outside, by https, with a certificate of a known authority"
)
_QUOTED = 160  # characters of what LINE says, at most


class LineSetup:
    """A channel's of the Messaging API."""

    made_up: tuple[str, ...] = ()
    url_ending: str = ""

    def probe(self, candidate: Candidate) -> Asking[Known]:
        """One look at the bot's own profile. Its user id is the address: what is for another one is refused."""
        told = _told((yield _call(candidate, "GET", path="/v2/bot/info")))
        user_id = string(told.get("userId"))
        if not user_id:
            raise Unavailable("what answered is not LINE", provider_code="200")
        notes = (UNPROVED, *((CHATS,) if told.get("chatMode") == "chat" else ()))
        return Known(string(told.get("displayName")), user_id, notes)

    def inspect(self, candidate: Candidate) -> Asking[tuple[Standing, ...]]:
        """Where the URL leads, whether it is used, and, when it is ours, what LINE hears there."""
        answer = yield _call(candidate, "GET", path=_ENDPOINT)
        told = {} if answer.status == 404 else _told(answer)
        where = _where(string(told.get("endpoint")), candidate)
        if not where.good:
            return (where,)
        if told.get("active") is not True:
            fix = f"{CONSOLE} > Use webhook"
            return where, Standing(False, "webhooks are not used: LINE sends nothing there", fix)
        return where, _heard(_told((yield _call(candidate, "POST", path=_TEST, body={}))))

    def register(self, candidate: Candidate) -> Asking[None]:
        """LINE takes any https URL, and looks at it in `inspect` only."""
        answer = yield _call(candidate, "PUT", path=_ENDPOINT, body={"endpoint": candidate.webhook_url})
        if answer.status == 400:
            said = string(content(answer.body).get("message"))[:_QUOTED]
            raise Refused(f"LINE refuses the URL: {said or 'nothing said'}", fix=_NOT_REACHED, provider_code="400")
        _told(answer)

    def unregister(self, _candidate: Candidate) -> None:
        """By hand: LINE's API sets a URL and takes none away."""

    def clicks(self, candidate: Candidate) -> tuple[str, ...]:
        """With the URL to enter."""
        url = candidate.webhook_url or f"https://<your host>{candidate.webhook_path}"
        return (
            f"{CONSOLE} > Webhook URL: {url}; Update, Verify",
            "Use webhook: on; Webhook redelivery: on, else what comes while the gateway is away is lost",
            "LINE Official Account features > Auto-reply messages: off",
        )


def _where(url: str, candidate: Candidate) -> Standing:
    if not url:
        return Standing(False, "none is set: what people write reaches nobody here")
    if not candidate.public_base_url:
        return Standing(False, "set, but whether to us cannot be said", "set PUBLIC_BASE_URL to what the mesh has")
    if not candidate.is_here(url):
        return Standing(False, "set to another address: it gets what people write, and we do not")
    return Standing(True, f"set to {url}")


def _heard(told: Mapping[str, object]) -> Standing:
    """What LINE's own test came to."""
    if told.get("success") is True:
        return Standing(True, "LINE reaches it, and was believed")
    status, said = integer(told.get("statusCode")) or 0, string(told.get("detail"))[:_QUOTED]
    if status in (401, 403):
        fix = f"{CONSOLE.replace('Messaging API', 'Basic settings')} > Channel secret: parley channels add it anew"
        return Standing(False, f"the gateway does not believe LINE ({status}): the channel_secret is another's", fix)
    return Standing(False, f"LINE does not reach it: {said or status or 'no answer'}", _NOT_REACHED)


def _call(candidate: Candidate, method: str, *, path: str, body: Mapping[str, object] | None = None) -> Call:
    try:
        headers = {"authorization": f"Bearer {token_of(candidate.credentials)}", "accept": "application/json"}
    except Unauthorized:
        raise Refused("the access_token does not look like one", fix=TOKEN_PAGE) from None
    if body is not None:
        headers["content-type"] = "application/json"
    base = (candidate.api_base_url or API_BASE_URL).rstrip("/")
    return Call(method, f"{base}{path}", headers, b"" if body is None else orjson.dumps(body), TIMEOUT_SECONDS)


def _told(answer: Answer) -> Mapping[str, object]:
    if 200 <= answer.status < 300:
        return content(answer.body)
    wrong: DeliveryError = failure(answer)
    if isinstance(wrong, Unauthorized):
        raise Refused("LINE refuses this access_token", fix=TOKEN_PAGE, provider_code=wrong.provider_code)
    raise wrong
