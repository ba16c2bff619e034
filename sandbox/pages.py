"""What does the browser load? Files of the folder `page`, under a policy that lets nothing else in."""

from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).parent / "page"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
PATHS = {
    "/": "index.html",
    "/sandbox.css": "sandbox.css",
    "/phone.css": "phone.css",
    "/sandbox.js": "sandbox.js",
    "/phone.js": "phone.js",
    "/files.js": "files.js",
    "/parts.js": "parts.js",
    "/favicon.svg": "favicon.svg",
}
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


def routes() -> list[web.RouteDef]:
    """One route per file, each read once."""
    return [_route(path, FOLDER / name) for path, name in PATHS.items()]


def _route(path: str, file: Path) -> web.RouteDef:
    content = file.read_bytes()
    headers = {**HEADERS, "content-type": TYPES[file.suffix]}

    async def serve(_request: web.Request) -> web.Response:
        return web.Response(body=content, headers=headers)

    return web.get(path, serve)
