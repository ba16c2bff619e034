"""What does an OpenAI account hold, and what does it refuse? Models, a key, conversations, and the documented errors.

https://platform.openai.com/docs/guides/error-codes
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulated.model_dialect import Body, Reply, utf8

CREATED_AT = 1_767_225_600  # 2026-01-01
STREAM = "text/event-stream; charset=utf-8"

# What the error of a status is called: its type and its code.
KINDS: Mapping[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", None),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("server_error", None),
}


@dataclass
class Account:
    """What one server remembers between two requests."""

    models: tuple[str, ...]
    key: str
    wants_longer: bool = False  # its models know a limit by its longer name only
    counts_unasked: bool = False  # its streams end with their counts, and to wish for them is refused, as at Mistral
    hides_models: bool = False  # its key may chat, and not list
    conversations: dict[str, list[Body]] = field(default_factory=dict)
    locked: set[str] = field(default_factory=set)  # conversations in which an answer is still being written
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def new_id(self, kind: str) -> str:
        """`resp_…`, different each time and the same in each run."""
        return f"{kind}{next(self._numbers):032x}"

    def admits(self, headers: Mapping[str, str]) -> Reply | None:
        given = headers.get("authorization", "")
        if not self.key or given == f"Bearer {self.key}":
            return None
        if not given:
            return refusal(401, "You didn't provide an API key.", code=None)
        return refusal(401, f"Incorrect API key provided: {given.removeprefix('Bearer ')[:8]}***.")

    def unknown_model(self, asked: Body) -> Reply | None:
        name = asked.get("model")
        if name in self.models or (name is None and asked.get("prompt")):
            return None
        if not name:
            return refusal(400, "you must provide a model parameter")
        message = f"The model `{name}` does not exist or you do not have access to it."
        return refusal(404, message, code="model_not_found")

    def unknown_conversation(self, asked: Body) -> Reply | None:
        name = conversation_of(asked)
        if not name or name in self.conversations:
            return None
        return refusal(404, f"Conversation with id '{name}' not found.")

    def locked_conversation(self, asked: Body) -> Reply | None:
        if conversation_of(asked) not in self.locked:
            return None
        text = "Another process is currently operating on this conversation. Please retry in a few seconds."
        return refusal(400, text, param="conversation", code="conversation_locked")

    def listed(self, _body: Body) -> Reply:
        if self.hides_models:
            text = "You have insufficient permissions for this operation. Missing scopes: api.model.read."
            return refusal(403, text)
        models = [{"id": each, "object": "model", "created": CREATED_AT, "owned_by": "openai"} for each in self.models]
        return Reply((utf8({"object": "list", "data": models}),))

    def converse(self, body: Body) -> Reply:
        """A new conversation, with its first items if any."""
        made = self.new_id("conv_")
        self.conversations[made] = list(body.get("items") or [])
        told = {"id": made, "object": "conversation", "created_at": CREATED_AT, "metadata": body.get("metadata") or {}}
        return Reply((utf8(told),))


def conversation_of(asked: Body) -> str:
    """A conversation is named by its id, or by an object with it."""
    named = asked.get("conversation")
    return str(named.get("id")) if isinstance(named, dict) else str(named or "")


def error(status: int, message: str, *, param: str | None = None, **given: Any) -> Body:
    kind, code = KINDS.get(status, ("server_error", None))
    return {"error": {"message": message, "type": kind, "param": param, "code": given.get("code", code)}}


def refusal(status: int, message: str, *, param: str | None = None, **given: Any) -> Reply:
    return Reply((utf8(error(status, message, param=param, **given)),), status)


def fragments(text: str) -> list[str]:
    """The pieces that the arguments of a call are streamed in: they cut names and numbers."""
    return [text[start : start + 5] for start in range(0, len(text), 5)]
