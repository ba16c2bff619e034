"""How does OpenAI's Responses API hear a request and write its answer?

https://platform.openai.com/docs/api-reference/responses and …/responses-streaming
"""

from collections.abc import Iterator

from tests.simulated.model_dialect import Body, Reply, Voice, utf8
from tests.simulated.model_speech import Heard, Saying, Turn, text_of, words
from tests.simulated.openai_account import CREATED_AT, Account, conversation_of, fragments, refusal

STOPPED = "The server had an error while processing your request."
# Why an answer ends early, by its name in the other API.
INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
ROLES = {"function_call": "assistant", "function_call_output": "tool"}

Event = tuple[str, Body]


def voice(account: Account) -> Voice:
    return Voice(
        hear=lambda asked: _hear(asked, account),
        whole=lambda asked, said: _whole(asked, said, account=account),
        pieces=lambda _asked, whole: _framed(_events(whole)),
        opening=5,
        failed=lambda asked: _failed(asked, account),
        broken=lambda asked, after: b"".join(_framed(_broken(_failed(asked, account)), after)),
        refused=lambda asked: _refused(asked, account),
        keep=lambda asked, whole: _keep(asked, whole, account=account),
    )


def _hear(asked: Body, account: Account) -> Heard:
    said: list[Turn] = [("system", asked.get("instructions") or "")]
    said += [_turn(item) for item in _kept(asked, account) + _items(asked)]
    offers_tools = bool(asked.get("tools")) and asked.get("tool_choice") != "none"
    return Heard(tuple(said), offers_tools, asked.get("max_output_tokens") or 0)


def _turn(item: Body) -> Turn:
    role = ROLES.get(item.get("type", "message")) or item.get("role", "")
    return role, text_of(item.get("output") if role == "tool" else item.get("content"))


def _items(asked: Body) -> list[Body]:
    given = asked.get("input") or []
    return [{"type": "message", "role": "user", "content": given}] if isinstance(given, str) else list(given)


def _kept(asked: Body, account: Account) -> list[Body]:
    return account.conversations.get(conversation_of(asked), [])


def _keep(asked: Body, whole: Body, *, account: Account) -> None:
    name = conversation_of(asked)
    if name in account.conversations:
        account.conversations[name] += [*_items(asked), *whole["output"]]


def _refused(asked: Body, account: Account) -> Reply | None:
    unknown = account.unknown_model(asked) or account.unknown_conversation(asked)
    return unknown or account.locked_conversation(asked) or _misplaced(asked, account)


def _misplaced(asked: Body, account: Account) -> Reply | None:
    """Every call has its output, and every output its call."""
    items = _kept(asked, account) + _items(asked)
    calls = {item["call_id"] for item in items if item.get("type") == "function_call"}
    outputs = {item["call_id"] for item in items if item.get("type") == "function_call_output"}
    if unasked := outputs - calls:
        return refusal(400, f"No tool call found for function call output with call_id {min(unasked)}.", param="input")
    if unanswered := calls - outputs:
        return refusal(400, f"No tool output found for function call {min(unanswered)}.", param="input")
    return None


def _whole(asked: Body, said: Saying, *, account: Account) -> Body:
    read, wrote = _hear(asked, account).tokens, said.tokens
    cut = INCOMPLETE.get(said.finish)
    return {
        **_response(asked, account),
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": cut} if cut else None,
        "output": _output(said, account, status="incomplete" if cut else "completed"),
        "usage": {
            "input_tokens": read,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": wrote,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": read + wrote,
        },
    }


def _response(asked: Body, account: Account) -> Body:
    """What a response says of itself and of its request before anything is generated."""
    name = conversation_of(asked)
    return {
        "id": account.new_id("resp_"),
        "object": "response",
        "created_at": CREATED_AT,
        "status": "in_progress",
        "background": False,
        "conversation": {"id": name} if name else None,
        "error": None,
        "incomplete_details": None,
        "instructions": asked.get("instructions"),
        "max_output_tokens": asked.get("max_output_tokens"),
        "metadata": asked.get("metadata") or {},
        "model": asked.get("model") or account.models[0],
        "output": [],
        "parallel_tool_calls": asked.get("parallel_tool_calls", True),
        "previous_response_id": None,
        "prompt": asked.get("prompt"),
        "store": asked.get("store", True),
        "temperature": asked.get("temperature", 1.0),
        "text": asked.get("text") or {"format": {"type": "text"}},
        "tool_choice": asked.get("tool_choice", "auto"),
        "tools": [{"description": None, "strict": True, **tool} for tool in asked.get("tools") or []],
        "top_p": asked.get("top_p", 1.0),
        "truncation": asked.get("truncation", "disabled"),
        "usage": None,
    }


def _output(said: Saying, account: Account, *, status: str) -> list[Body]:
    head = {"status": status}
    if not said.calls:
        part = {"type": "output_text", "annotations": [], "logprobs": [], "text": said.text}
        message = {"id": account.new_id("msg_"), "type": "message", "role": "assistant", "content": [part]}
        return [{**message, **head}]
    ids = {"id": "fc_", "call_id": "call_"}
    return [
        {
            **{name: account.new_id(kind) for name, kind in ids.items()},
            **{"type": "function_call", "name": call.name, "arguments": call.arguments, **head},
        }
        for call in said.calls
    ]


def _failed(asked: Body, account: Account) -> Body:
    error = {"code": "server_error", "message": STOPPED}
    return {**_response(asked, account), "status": "failed", "error": error}


def _broken(failed: Body) -> Iterator[Event]:
    yield "error", {"code": "server_error", "message": STOPPED, "param": None}
    yield "response.failed", {"response": failed}


def _events(whole: Body) -> Iterator[Event]:
    begun = {**whole, "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    for place, item in enumerate(whole["output"]):
        at = {"output_index": place}
        called = item["type"] == "function_call"
        opened: Body = {"arguments": ""} if called else {"content": []}
        yield "response.output_item.added", {**at, "item": {**item, **opened, "status": "in_progress"}}
        inside = {**at, "item_id": item["id"]}
        yield from _called(item, inside) if called else _spoken(item["content"][0], {**inside, "content_index": 0})
        yield "response.output_item.done", {**at, "item": item}
    yield f"response.{whole['status']}", {"response": whole}


def _called(item: Body, at: Body) -> Iterator[Event]:
    for fragment in fragments(item["arguments"]):
        yield "response.function_call_arguments.delta", {**at, "delta": fragment, "obfuscation": "w7Zk"}
    done = {"name": item["name"], "arguments": item["arguments"]}
    yield "response.function_call_arguments.done", {**at, **done}


def _spoken(part: Body, at: Body) -> Iterator[Event]:
    yield "response.content_part.added", {**at, "part": {**part, "text": ""}}
    for word in words(part["text"]):
        yield "response.output_text.delta", {**at, "delta": word, "logprobs": [], "obfuscation": "w7Zk"}
    yield "response.output_text.done", {**at, "text": part["text"], "logprobs": []}
    yield "response.content_part.done", {**at, "part": part}


def _framed(events: Iterator[Event], after: int = 0) -> list[bytes]:
    pieces = []
    for number, (kind, event) in enumerate(events, after):
        data = utf8({"type": kind, "sequence_number": number, **event})
        pieces.append(f"event: {kind}\ndata: ".encode() + data + b"\n\n")
    return pieces
