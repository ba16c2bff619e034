"""What does a simulated model say? It follows from what it heard, and mostly from what the user said last.

`re: <text>`, unless the text is an order. `say LITERAL` is answered with LITERAL. `call NAME {json}` calls a tool, and
`call2 A {json} | B {json}` two at once, when the request offers any tools; NAME need not be among them, and the JSON
may be bad. `repair BAD | GOOD` is answered with BAD, and with GOOD when the model has said something since, whatever
the user said then. `list` is answered with all that the user said since the model spoke, a line each. `filtered` is cut
short by a content filter. After a tool's result: `re: tool said <result>`.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

Turn = tuple[str, str]  # the role and the text


@dataclass(frozen=True, slots=True)
class Heard:
    """What a request tells the model, whatever its protocol."""

    turns: tuple[Turn, ...]
    offers_tools: bool = False
    most_tokens: int = 0

    @property
    def tokens(self) -> int:
        return tokens_of("".join(text for _, text in self.turns))


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model wants called. The arguments are JSON as the model wrote it, good or bad."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Saying:
    """What the model says, and why it ends there: stop, length, tool_calls or content_filter."""

    text: Any  # a str; an ill model says other things
    calls: tuple[ToolCall, ...] = ()
    finish: str = "stop"

    @property
    def tokens(self) -> int:
        return tokens_of(f"{self.text}" + "".join(call.name + call.arguments for call in self.calls))


def saying(heard: Heard) -> Saying:
    """What a healthy model answers."""
    said = _within(heard.turns, heard.offers_tools)
    if heard.most_tokens == 1 and isinstance(said.text, str) and not said.calls:
        return replace(said, text=said.text.split(" ")[0], finish="length")
    return said


def words(text: Any) -> list[Any]:
    """The pieces that a text is streamed in. What is no text is one piece."""
    if not isinstance(text, str):
        return [text]
    first, *others = text.split(" ")
    return [first, *(f" {word}" for word in others)]


def text_of(content: Any) -> str:
    """The text of a message's content: a string, a list of parts, or nothing."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content)
    return content or ""


def tokens_of(text: str) -> int:
    """Four characters each, begun ones counted, and never none."""
    return max(1, -(-len(text) // 4))


def _within(turns: tuple[Turn, ...], offers_tools: bool) -> Saying:
    role, newest = turns[-1] if turns else ("", "")
    if role == "tool":
        return Saying(f"re: tool said {newest}")
    asked = [text for role, text in turns if role == "user"]
    if not asked:
        return Saying("re:")
    order, _, rest = asked[-1].partition(" ")
    if order in ("call", "call2") and offers_tools and (calls := _calls(order, rest)):
        return Saying("", calls, "tool_calls")
    if order == "say":
        return Saying(rest)
    if order == "list":
        return Saying("\n".join(f"re: {text}" for text in _unanswered(turns)))
    if order == "filtered":
        return Saying(f"re: {asked[-1]}"[:7], finish="content_filter")
    return Saying(_repaired(turns) or f"re: {asked[-1]}")


def _unanswered(turns: tuple[Turn, ...]) -> list[str]:
    """What the user said since the model spoke."""
    spoken = max((place for place, (role, _) in enumerate(turns) if role == "assistant"), default=-1)
    return [text for role, text in turns[spoken + 1 :] if role == "user"]


def _calls(order: str, rest: str) -> tuple[ToolCall, ...]:
    parts = rest.split(" | ") if order == "call2" else [rest]
    found = [re.fullmatch(r"(\S+)\s*([{\[].*)?", part.strip(), re.DOTALL) for part in parts]
    return tuple(ToolCall(each[1], each[2] or "{}") for each in found if each)


def _repaired(turns: tuple[Turn, ...]) -> str:
    """What the newest `repair` asks for; nothing when there is none, or when it has had its good answer."""
    orders = [place for place, (role, text) in enumerate(turns) if role == "user" and text.startswith("repair ")]
    if not orders:
        return ""
    bad, _, good = turns[orders[-1]][1].removeprefix("repair ").partition(" | ")
    since = [text for role, text in turns[orders[-1] :] if role == "assistant"]
    if good in since:
        return ""
    return good if since else bad
