"""Where is a file of Slack's? https://docs.slack.dev/reference/objects/file-object/"""

import re
from urllib.parse import quote

from channels import slack_errors
from channels.channel import Answer, Call, Unauthorized, Unreadable
from channels.media import Download, Finding, Gone, Wanted
from channels.payload import mapping, parse_json, string

HOSTS = ("files.slack.com",)
TIMEOUT_SECONDS = 10.0
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


def _url(answer: Answer) -> str:
    try:
        content = parse_json(answer.body) if 200 <= answer.status < 300 else {}
    except Unreadable:
        content = {}
    file = mapping(content.get("file"))
    url = string(file.get("url_private_download")) or string(file.get("url_private"))
    if content.get("ok") is not True:
        raise slack_errors.failure(answer)
    if not url:
        raise Gone("no_reference")
    return url
