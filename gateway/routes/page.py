"""The web chat page, the console and the page of the API, with everything that they load. Nothing comes from another
host, and no other site shows them in a frame but the chat's, where its account allows that site."""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER = Path(__file__).parent.parent / "page"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
PATHS = {
    "/": "index.html",
    "/banner.js": "banner.js",
    "/chat.css": "chat.css",
    "/chat.js": "chat.js",
    "/elements.js": "elements.js",
    "/field.js": "field.js",
    "/older.js": "older.js",
    "/outbox.js": "outbox.js",
    "/status.js": "status.js",
    "/thinking.js": "thinking.js",
    "/transcript.js": "transcript.js",
    "/transport.js": "transport.js",
    "/words.js": "words.js",
    "/favicon.svg": "favicon.svg",
    "/console": "console.html",
    "/console.css": "console.css",
    "/console.js": "console.js",
    "/console-rooms.css": "console-rooms.css",
    "/console-accounts.js": "console-accounts.js",
    "/console-api.js": "console-api.js",
    "/console-deliveries.js": "console-deliveries.js",
    "/console-drawing.js": "console-drawing.js",
    "/console-groups.js": "console-groups.js",
    "/console-names.js": "console-names.js",
    "/console-sure.js": "console-sure.js",
    "/console-talk.js": "console-talk.js",
    "/console-talks.js": "console-talks.js",
    "/console-turns.js": "console-turns.js",
    "/docs": "docs.html",
    "/docs.css": "docs.css",
    "/docs.js": "docs.js",
}
CHAT = "/"
# What a browser says when it loads a page into another one: https://www.w3.org/TR/fetch-metadata/#sec-fetch-dest-header
FRAMES = {"iframe", "frame"}
# The origins that may show the chat of a site in a frame.
Embedders = Callable[[str], Awaitable[tuple[str, ...]]]
INSPECTOR_PATHS = {
    "/inspector": "inspector.html",
    "/inspector.css": "inspector.css",
    "/inspector.js": "inspector.js",
    "/arrival.js": "arrival.js",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-cache",
}


def routes(embedders: Embedders) -> list[Route]:
    """One route per file, each read once."""
    return [_route(path, FOLDER / name, embedders=embedders if path == CHAT else None) for path, name in PATHS.items()]


def inspector_routes() -> list[Route]:
    """The same for the webhook inspector's page, where it is on."""
    return [_route(path, FOLDER / name) for path, name in INSPECTOR_PATHS.items()]


def _route(path: str, file: Path, *, embedders: Embedders | None = None) -> Route:
    content = file.read_bytes()
    tag = f'"{sha256(content).hexdigest()[:32]}"'
    headers = {**HEADERS, "etag": tag, "content-type": TYPES[file.suffix]}
    if embedders is not None:
        headers["vary"] = "sec-fetch-dest"

    async def serve(request: Request) -> Response:
        if embedders is not None and request.headers.get("sec-fetch-dest") in FRAMES:
            named = " ".join(await embedders(request.query_params.get("site", "")))
            return Response(content, headers={**headers, "content-security-policy": f"{POLICY} {named}".rstrip()})
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers)

    return Route(path, serve)
