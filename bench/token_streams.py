"""What does a model server stream? The same tokens in the words of Ollama and of OpenAI, made before anybody asks."""

from collections.abc import Iterable

import orjson

TOKENS = 200
# Each is another one, so that a text which lost or swapped some is not taken for the text.
WORDS = tuple(f"{number:03d} " for number in range(TOKENS))
TEXT = "".join(WORDS)

_END = b"0\r\n\r\n"
# What servers put around a token is several times as long as the token.
_CHAT = {
    "id": "chatcmpl-123",
    "object": "chat.completion.chunk",
    "created": 1_760_000_000,
    "system_fingerprint": "fp_44709d6fcb",
}
_USAGE = {"prompt_tokens": 12, "completion_tokens": TOKENS, "total_tokens": 12 + TOKENS}


def ollama(model: str) -> tuple[bytes, ...]:
    """The writes of an answer of /api/chat, one for each token: https://github.com/ollama/ollama/blob/main/docs/api.md"""
    same = {"model": model, "created_at": "2026-01-01T12:00:00.385406455Z"}
    lines = [{**same, "message": {"role": "assistant", "content": word}, "done": False} for word in WORDS]
    counts = {"done_reason": "stop", "prompt_eval_count": 12, "eval_count": TOKENS}
    last = {**same, "message": {"role": "assistant", "content": ""}, "done": True, **counts}
    return _writes("application/x-ndjson", (orjson.dumps(line) + b"\n" for line in (*lines, last)))


def chat(model: str) -> tuple[bytes, ...]:
    """The same of /chat/completions: https://platform.openai.com/docs/api-reference/chat-streaming"""
    same = {**_CHAT, "model": model}
    events = [{**same, "choices": [_choice({"content": word}, None)]} for word in WORDS]
    end = {**same, "choices": [_choice({}, "stop")]}
    counts = {**same, "choices": [], "usage": _USAGE}
    data = [*map(orjson.dumps, (*events, end, counts)), b"[DONE]"]
    return _writes("text/event-stream", (b"data: " + each + b"\n\n" for each in data))


def _choice(delta: dict[str, str], reason: str | None) -> dict[str, object]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}


def _writes(kind: str, parts: Iterable[bytes]) -> tuple[bytes, ...]:
    """Chunked; the head goes with the first part, and the end with the last."""
    head = f"HTTP/1.1 200 X\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    first, *middle, last = (b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return (head + first, *middle, last + _END)
