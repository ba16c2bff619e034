"""Who reads a stored file over HTTP? A provider, by a link of an hour; a tenant's program, by its API key.

The bytes are a stranger's: no browser may take them for a page of ours, whatever they are.
"""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from gateway.backends.media import Media, Opened
from kit.errors import CredentialMissing, InvalidField

LONGEST_TOKEN = 1024
LONGEST_ID = 64
HEADERS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "private, no-store",
    "referrer-policy": "no-referrer",
}


def routes(media: Media) -> list[Route]:
    """GET /media/{token} and GET /v1/media/{id}."""

    async def shared(request: Request) -> StreamingResponse:
        token: str = request.path_params["token"]
        if len(token) > LONGEST_TOKEN:
            raise InvalidField([("token", "is too long")])
        return _shown(await media.shared(token))

    async def of_tenant(request: Request) -> StreamingResponse:
        media_id, authorization = request.path_params["media_id"], request.headers.get("authorization", "")
        if not authorization:
            raise CredentialMissing
        if len(media_id) > LONGEST_ID or not authorization.isascii():
            raise InvalidField([("media_id", "is no id")])
        return _shown(await media.of_tenant(media_id, authorization))

    return [Route("/media/{token}", shared), Route("/v1/media/{media_id}", of_tenant)]


def _shown(opened: Opened) -> StreamingResponse:
    known = opened.media
    named = f"; filename*=UTF-8''{quote(known.file_name, safe='')}" if known.file_name else ""
    headers = {
        **HEADERS,
        "content-length": str(known.size_bytes),
        "content-disposition": f"attachment{named}",
    }
    return StreamingResponse(opened.content, headers=headers, media_type=_type(known.media_type))


def _type(media_type: str) -> str:
    """As its bytes say; a page of a stranger's is shown as bytes."""
    return "application/octet-stream" if media_type in {"text/html", "image/svg+xml"} else media_type
