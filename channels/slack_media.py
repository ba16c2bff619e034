"""Where is a file of Slack's, and how is one shown? https://docs.slack.dev/reference/objects/file-object/

https://docs.slack.dev/messaging/working-with-files#uploading_files
"""

import re
from collections.abc import Generator, Mapping
from urllib.parse import quote, urlencode, urlsplit

import orjson

from channels import slack_errors
from channels.channel import Answer, Call, Flow, Outgoing, Sent, Unauthorized, Unavailable, Unknown
from channels.failures import error
from channels.media import Download, Finding, Gone, Wanted, is_of
from channels.payload import mapping, string
from channels.slack_text import escaped

HOSTS = ("files.slack.com",)
TIMEOUT_SECONDS = 10.0
UPLOAD_SECONDS = 30.0
RAW = {"content-type": "application/octet-stream"}
_TOKEN = re.compile(r"xox[!-~]{1,500}", re.ASCII)
_FILE = re.compile(r"F[A-Z0-9]{1,63}", re.ASCII)


def find(wanted: Wanted, token: str, *, base_url: str) -> Finding:
    """The URL that the event gave; of a file of another company it gave none, and files.info is asked."""
    if not _TOKEN.fullmatch(token):
        raise Unauthorized("the bot token is not one")
    bearer = {"authorization": f"Bearer {token}"}
    url = wanted.attachment.url
    if not url:
        if not _FILE.fullmatch(wanted.attachment.provider_file_id):
            raise Gone("no_reference")
        base = (wanted.api_base_url or base_url).rstrip("/")
        asked = f"{base}/files.info?file={quote(wanted.attachment.provider_file_id, safe='')}"
        answer = yield Call("GET", asked, {**bearer, "accept": "application/json"}, b"", TIMEOUT_SECONDS)
        url = _url(answer)
    return Download(url, HOSTS, bearer)


def give(outgoing: Outgoing, token: str, *, base_url: str, place: Mapping[str, str]) -> Flow:
    """files.getUploadURLExternal, the bytes, files.completeUploadExternal: only the last shows anything to anybody."""
    file, base = outgoing.file, (outgoing.api_base_url or base_url).rstrip("/")
    if file is None or not file.content:
        raise error("payload", provider_code="no_file")
    headers = {"authorization": f"Bearer {token}", "accept": "application/json"}
    asked = urlencode({"filename": file.name, "length": len(file.content)}).encode()
    form = {**headers, "content-type": "application/x-www-form-urlencoded"}
    call = Call("POST", f"{base}/files.getUploadURLExternal", form, asked, TIMEOUT_SECONDS)
    where = _allowed((yield from _put(call)))
    url, file_id = string(where.get("upload_url")), string(where.get("file_id"))
    if not _is_slack_s(url, base) or not _FILE.fullmatch(file_id):
        raise Unavailable(provider_code="no_upload_url")
    stored = yield from _put(Call("POST", url, RAW, file.content, UPLOAD_SECONDS))
    if stored.status != 200:
        raise Unavailable(provider_code=str(stored.status))
    shown: dict[str, object] = {"files": [{"id": file_id, "title": file.name}]}
    shown |= {name: value for name, value in place.items() if value}
    shown |= {"initial_comment": escaped(outgoing.text)} if outgoing.text else {}
    body, typed = orjson.dumps(shown), {**headers, "content-type": "application/json; charset=utf-8"}
    _allowed((yield Call("POST", f"{base}/files.completeUploadExternal", typed, body, TIMEOUT_SECONDS)))
    return Sent(file_id)  # Slack posts the message by itself, and does not say its ts here


def _allowed(answer: Answer) -> dict[str, object]:
    """Who may not show files (files:write) may say all the rest: it is no reason to pause the account."""
    try:
        return slack_errors.taken(answer)
    except Unauthorized as refused:
        if refused.provider_code != "missing_scope":
            raise
        raise error("policy", provider_code=refused.provider_code) from None


def _put(call: Call) -> Generator[Call, Answer, Answer]:
    """What nobody sees yet may be done again."""
    try:
        return (yield call)
    except Unknown as lost:
        raise Unavailable(provider_code=lost.provider_code) from None


def _is_slack_s(url: str, base_url: str) -> bool:
    """The URL takes what a person is to see: it is Slack's own, or that of what stands in for it."""
    named, base = urlsplit(url), urlsplit(base_url)
    if (named.scheme, named.netloc) == (base.scheme, base.netloc):
        return True
    return named.scheme == "https" and is_of(named.netloc, HOSTS)


def _url(answer: Answer) -> str:
    file = mapping(slack_errors.taken(answer).get("file"))
    url = string(file.get("url_private_download")) or string(file.get("url_private"))
    if not url:
        raise Gone("no_reference")
    return url
