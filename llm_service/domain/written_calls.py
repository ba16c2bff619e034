"""What when a model writes a call of a tool into its text? It is taken out of it: nobody should read it as an answer.

Servers that do not know how a model writes its calls (vLLM with another parser, Ollama where a small model misses its
template, llama.cpp) leave them in the text. Only where tools were offered, and docs/models.md has the rule for people.
"""

import re
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace

from llm_service.domain.backend import Answer, Call, Pieces
from llm_service.domain.call_bodies import FUNCTION, Schemas, as_json, read
from llm_service.domain.repairing import unfenced
from parley.llm.v1 import completion_pb2, prompt_pb2

OPENS, CLOSES = "<tool_call>", "</tool_call>"
MARKS = (OPENS, "[TOOL_CALLS]", "<|python_tag|>", FUNCTION)
# What an answer begins with that may be a call as a whole.
BEGINS = (*MARKS, "{", "[{", "```json")
LONGEST = max(map(len, BEGINS))
# A mark begins a line; of the last line it may have come in part.
_marked = re.compile(r"\n[ \t]*(<tool_call>|\[TOOL_CALLS\]|<\|python_tag\|>|<function=)")
_begun = re.compile(r"\n[ \t]*([<\[][^\n]{0,13})\Z")


def heard(answer: Answer, prompt: prompt_pb2.Prompt) -> Answer:
    """A whole answer, the calls in its text as calls."""
    if not prompt.tools or answer.calls:
        return answer
    listening = _Listening(prompt)
    text = listening.shown(answer.text)
    rest, end = listening.rest(answer)
    return replace(end, text=text + rest)


def apart(stream: Pieces, prompt: prompt_pb2.Prompt) -> Pieces:
    """A stream, in which nothing of a call is text."""
    return _apart(stream, _Listening(prompt)) if prompt.tools else stream


async def _apart(stream: Pieces, listening: "_Listening") -> Pieces:
    async with aclosing(stream):
        async for piece in stream:
            if isinstance(piece, Answer):
                rest, end = listening.rest(piece)
                yield rest
                yield end
            else:
                yield listening.shown(piece)


class _Listening:
    """One answer, as it comes. Cut anywhere, the pieces that are shown are together the same."""

    def __init__(self, prompt: prompt_pb2.Prompt) -> None:
        self._tools = {tool.name: tool.parameters for tool in prompt.tools}
        self._kept: list[str] = []  # a call, or what may become one
        self._is_call = False
        self._is_begun = False  # it is clear that the answer does not begin with a call
        self._begin = ""
        self._begins_line = True

    def shown(self, piece: str) -> str:
        """What of it is text for sure."""
        self._kept.append(piece)
        if self._is_call:
            return ""
        if self._is_begun and len(self._kept) == 1 and not self._begins_line and "\n" not in piece:
            return self._past(piece, len(piece))
        if not self._is_begun:
            self._begin = (self._begin + piece).lstrip()[:LONGEST]
            self._is_call = self._begin.startswith(BEGINS)
            if self._is_call or any(each.startswith(self._begin) for each in BEGINS):
                return ""
            self._is_begun = True
        text = "".join(self._kept)
        line = ("\n" if self._begins_line else " ") + text
        if found := _marked.search(line):
            self._is_call = True
            return self._past(text, found.start(1) - 1)
        last = _begun.search(line)
        may_be = last is not None and any(mark.startswith(last[1]) for mark in MARKS)
        return self._past(text, last.start(1) - 1 if last and may_be else len(text))

    def rest(self, end: Answer) -> tuple[str, Answer]:
        """What was held back, and the answer with its calls, when it is over."""
        kept = "".join(self._kept)
        calls = () if end.calls or not self._is_call else tuple(_calls(kept.strip(), self._tools))
        if not calls:
            return kept, end
        return "", replace(end, calls=calls, finish_reason=completion_pb2.FINISH_REASON_TOOL_CALLS)

    def _past(self, text: str, place: int) -> str:
        """The text up to there is shown, what follows is kept."""
        shown, self._kept = text[:place], [text[place:]] if text[place:] else []
        _, newline, line = shown.rpartition("\n")
        self._begins_line = (bool(newline) or self._begins_line) and not line.strip(" \t")
        return shown


def _calls(text: str, tools: Schemas) -> Iterator[Call]:
    """After a mark something is called, though it may be nonsense, which is told as that. Without one, JSON is a call
    when it is all of the answer and names a tool of the prompt."""
    mark = next((each for each in MARKS if text.startswith(each)), "")
    if not mark:
        found = as_json(unfenced(text))
        yield from found if all(call.name in tools for call in found) else ()
        return
    # Qwen3-Coder may leave out the first tag of all, and never the last.
    bodies = [text] if mark == FUNCTION else [each.partition(CLOSES)[0] for each in text.split(mark)[1:]]
    for body in bodies:
        yield from read(body, tools) or [Call("", "", "{}")]
