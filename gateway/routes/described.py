"""How does /openapi.json describe what the framework does not see: webhooks, files, and the stream of events?"""

from typing import Any

from fastapi import FastAPI

from gateway.domain import spoken

ABOUT = "Chat channels post webhooks here; pages and programs talk to the agent through the web chat API."

_AFTER = {
    "name": "after_seq",
    "in": "query",
    "schema": {"type": "integer", "minimum": 0, "default": 0},
    "description": "Only what follows this place in the conversation",
}
_LAST = {
    "name": "Last-Event-ID",
    "in": "header",
    "schema": {"type": "integer", "minimum": 0},
    "description": "The id of the last event that was seen; counts more than after_seq",
}
_EVENTS = {
    "get": {
        "tags": ["chat"],
        "summary": "Watch Messages",
        "description": "Server-Sent Events: `conversation` (first, data = its `id`, another one after the visitor was "
        "erased), `message` (id = seq, data = a Message), `draft` (what has been written of an answer so far) and "
        '`thinking` (data = `{"thinking": true}`). Connect again with the last id when it ends: nothing is missed.',
        "parameters": [_AFTER, _LAST],
        "responses": {"200": {"description": "A stream", "content": {"text/event-stream": {}}}},
    }
}
_REFUSALS = {
    "400": "The request is malformed",
    "401": "The proof of origin is missing or wrong",
    "403": "The body is addressed to another account",
    "404": "No such channel or account",
    "413": "The body is too large",
    "415": "The body is neither a form nor JSON, or is compressed",
    "503": "Not accepted now; come again after Retry-After",
}
_NAMED = {
    "/v1/media/{media_id}": ("media_id", "Our id of the bytes, as ListMessages shows it with the attachment"),
    "/media/{token}": ("token", "What a provider was given, for an hour"),
}
_MEDIA = {
    "200": "The bytes, as a download with the type that they have",
    "400": "It is no id",
    "401": "No API key that is valid",
    "403": "The API key lacks conversations.read",
    "404": "No such file, or it was never had; or the link has ended",
    "410": "It was kept for its time (MEDIA_RETENTION_SECONDS), and its bytes are removed",
    "503": "Not now; come again after Retry-After",
}
_SECURITY = {"session": {"type": "http", "scheme": "bearer", "description": "The token of a web chat session"}}
_KEYED = ("/v1/conversations", "/v1/queue", "/v1/deliveries", "/v1/accounts", "/v1/turns")
_KEY = {"key": {"type": "http", "scheme": "bearer", "description": "An API key of the tenant"}}


def complete(app: FastAPI) -> None:
    """Adds them to the application's description."""
    made = app.openapi

    def completed() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = made()
            schema["paths"]["/v1/chat/events"] = _EVENTS
            for path in ("/webhook/{channel}", "/webhook/{channel}/{account_key}"):
                schema["paths"][path] = _webhook(path)
            schema["paths"]["/webhook/{channel}/{account_key}/status"] = _webhook("status")
            schema["paths"] |= {path: _media(path) for path in _NAMED}
            components = schema.setdefault("components", {})
            components["securitySchemes"] = _SECURITY | _KEY
            components["schemas"]["Message"] = spoken.Message.model_json_schema()
            for each in ("/v1/chat/messages", "/v1/chat/events"):
                for operation in schema["paths"][each].values():
                    operation["security"] = [{"session": []}]
            for each in schema["paths"]:
                for operation in schema["paths"][each].values() if each.startswith(_KEYED) else ():
                    operation["security"] = [{"key": []}]
        return app.openapi_schema or schema

    app.openapi = completed  # type: ignore[method-assign]  # the way that FastAPI documents


def _media(path: str) -> dict[str, Any]:
    """A file's bytes, for who has an API key or a link to it."""
    name, about = _NAMED[path]
    keyed = name == "media_id"
    error = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/ApiError"}}}}
    answers = {status: what for status, what in _MEDIA.items() if keyed or status not in {"401", "403"}}
    named = {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "description": about}
    operation: dict[str, Any] = {
        "tags": ["media"],
        "summary": "Read a File" if keyed else "Read a File by its Link",
        "parameters": [named],
        "responses": {status: {"description": what} | error for status, what in answers.items()},
    }
    operation["responses"]["200"]["content"] = {"application/octet-stream": {}}
    return {"get": operation | ({"security": [{"key": []}]} if keyed else {})}


def _webhook(path: str) -> dict[str, Any]:
    names = ["channel"] if path == "/webhook/{channel}" else ["channel", "account_key"]
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    responses = {"200": "Accepted: what it carried is durable", **_REFUSALS}
    return {
        "post": {
            "tags": ["webhooks"],
            "summary": "Status callback" if path == "status" else "Webhook of a provider",
            "parameters": parameters,
            "responses": {status: {"description": what} for status, what in responses.items()},
        }
    }
