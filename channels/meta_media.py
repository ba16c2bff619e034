"""Where are the files of Meta's channels? An id that becomes a URL of five minutes, or a URL that ends after a while.

https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media
"""

import re

from channels import meta_graph
from channels.channel import Credentials
from channels.media import Download, Finding, Gone, Wanted
from channels.payload import string

# Meta names no host: these are what other programs were seen to pin. Whatever is missing is added here.
HOSTS = (".fbsbx.com", ".fbcdn.net", ".whatsapp.net", ".cdninstagram.com", "graph.facebook.com")

_ID = re.compile(r"[0-9]{1,64}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def by_id(wanted: Wanted, credentials: Credentials, *, base_url: str) -> Finding:
    """GET /{media id}, and then the URL that it names, with the token for both."""
    token, media_id = credentials.get("access_token", ""), wanted.attachment.provider_file_id
    if not _ID.fullmatch(media_id):
        raise Gone("no_reference")
    base, secret = wanted.api_base_url or base_url, credentials.get("app_secret", "")
    answer = yield meta_graph.ask(media_id, token, base_url=base, options=wanted.options, app_secret=secret)
    known = meta_graph.taken(answer)
    url, digest = string(known.get("url")), string(known.get("sha256"))
    if not url:
        raise Gone("no_reference")
    headers = {"authorization": f"Bearer {token}"}
    return Download(url, HOSTS, headers, sha256=digest if _SHA256.fullmatch(digest) else "")
