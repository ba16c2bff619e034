"""How does OpenAI's Chat Completions API hear a request and write its answer?

https://platform.openai.com/docs/api-reference/chat
"""

from typing import Any

from tests.simulated.model_dialect import Body, Reply, Voice, utf8
from tests.simulated.model_speech import Heard, Saying, ToolCall, text_of, words
from tests.simulated.openai_account import CREATED_AT, Account, error, fragments, refusal

STOPPED = "The server had an error while processing your request."


def voice(account: Account) -> Voice:
    return Voice(
        hear=_hear,
        whole=lambda asked, said: _whole(asked, said, account=account),
        pieces=lambda asked, whole: _pieces(asked, whole, account=account),
        opening=2,
        failed=lambda _asked: error(500, STOPPED),
        broken=lambda _asked, _after: _framed(error(500, STOPPED)),
        refused=lambda asked: (
            account.unknown_model(asked) or _unsupported(asked, account) or _misplaced(asked.get("messages") or [])
        ),
    )


def _hear(asked: Body) -> Heard:
    turns = tuple((each.get("role", ""), text_of(each.get("content"))) for each in asked.get("messages") or [])
    most = asked.get("max_completion_tokens") or asked.get("max_tokens") or 0
    return Heard(turns, bool(asked.get("tools")) and asked.get("tool_choice") != "none", most)


def _unsupported(asked: Body, account: Account) -> Reply | None:
    """As OpenAI's and Azure's newer models say it, and Mistral."""
    if account.counts_unasked and "stream_options" in asked:
        place = ["body", "stream_options", "include_usage"]
        detail = [{"type": "extra_forbidden", "loc": place, "msg": "Extra inputs are not permitted", "input": True}]
        said = {"object": "error", "message": {"detail": detail}, "type": "invalid_request_error", "code": None}
        return Reply((utf8(said),), 422)
    if not account.wants_longer or "max_tokens" not in asked:
        return None
    text = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    return refusal(400, text, param="max_tokens", code="unsupported_parameter")


def _misplaced(messages: list[Body]) -> Reply | None:
    """Each call is answered before anything else is said, and each tool's result answers a call."""
    if not messages:
        return refusal(400, "Invalid 'messages': empty array.", param="messages")
    waiting: set[str] = set()
    for place, message in enumerate(messages):
        if message.get("role") == "tool":
            if message.get("tool_call_id") not in waiting:
                text = "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
                return refusal(400, text, param=f"messages.[{place}].role")
            waiting.discard(str(message["tool_call_id"]))
        elif waiting:
            break
        else:
            waiting = {call["id"] for call in message.get("tool_calls") or []}
    if not waiting:
        return None
    text = "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'."
    return refusal(400, text, param="messages")


def _whole(asked: Body, said: Saying, *, account: Account) -> Body:
    message: Body = {"role": "assistant", "content": said.text, "refusal": None, "annotations": []}
    if said.calls:
        message |= {"content": None, "tool_calls": [_call(call, account.new_id("call_")) for call in said.calls]}
    return {
        "id": account.new_id("chatcmpl-"),
        "object": "chat.completion",
        "created": CREATED_AT,
        "model": asked.get("model"),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": said.finish}],
        "usage": _usage(_hear(asked).tokens, said.tokens),
        "service_tier": "default",
        "system_fingerprint": None,
    }


def _call(call: ToolCall, name: str) -> Body:
    return {"id": name, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _usage(read: int, wrote: int) -> Body:
    return {
        "prompt_tokens": read,
        "completion_tokens": wrote,
        "total_tokens": read + wrote,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _pieces(asked: Body, whole: Body, *, account: Account) -> list[bytes]:
    """The role, then the text or the calls, then why it ended, then what it took if that was asked for."""
    counts = account.counts_unasked or bool((asked.get("stream_options") or {}).get("include_usage"))
    head = {name: whole[name] for name in ("id", "created", "model", "service_tier", "system_fingerprint")}
    head |= {"object": "chat.completion.chunk"} | ({"usage": None} if counts else {})
    (choice,) = whole["choices"]
    steps = [(delta, None) for delta in _deltas(choice["message"])] + [({}, choice["finish_reason"])]
    chunks = [{**head, "choices": [_choice(delta, finish)], "obfuscation": "w7Zk"} for delta, finish in steps]
    if counts:
        chunks.append({**head, "choices": [], "usage": whole["usage"]})
    return [*(_framed(chunk) for chunk in chunks), b"data: [DONE]\n\n"]


def _choice(delta: Body, finish: str | None) -> Body:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


def _deltas(message: Body) -> list[Body]:
    calls: list[Body] = message.get("tool_calls") or []
    first = {"role": "assistant", "content": None if calls else "", "refusal": None}
    if not calls:
        return [first, *({"content": word} for word in words(message["content"]))]
    return [first, *({"tool_calls": [part]} for place, call in enumerate(calls) for part in _parts(place, call))]


def _parts(place: int, call: Body) -> list[Body]:
    function: dict[str, Any] = call["function"]
    opened = {**call, "index": place, "function": {"name": function["name"], "arguments": ""}}
    rest = [{"index": place, "function": {"arguments": each}} for each in fragments(function["arguments"])]
    return [opened, *rest]


def _framed(chunk: Body) -> bytes:
    return b"data: " + utf8(chunk) + b"\n\n"
