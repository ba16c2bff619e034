"""What of a model's words is no answer but what it thinks? Servers that do not part the two leave it in the text.

vLLM without --reasoning-parser, LM Studio and older Ollamas give `<think>…</think>` and then the answer. Where the chat
template has opened the tag already (QwQ, DeepSeek R1), only its end is there. docs/models.md has the rule for people.
"""

import re
from collections.abc import Callable
from dataclasses import replace

from kit.errors import ModelEmpty
from llm_service.domain.backend import UNLISTED, Answer, Model
from parley.llm.v1 import completion_pb2, prompt_pb2

OPENS, CLOSES = "<think>", "</think>"
TAGS = (OPENS, CLOSES)
Read = Callable[[str], str]
_fence = re.compile(r"^[ \t]*(?:```|~~~)", re.MULTILINE)


class Thinking:
    """Of one backend: which of its models are known to leave out the tag at the beginning."""

    def __init__(self) -> None:
        self._unopened: set[str] = set()

    def reading(self, prompt: prompt_pb2.Prompt, *, model: Model) -> "Reading":
        """For one answer of the model. What was asked for raw is handed on as it is."""
        reading = Reading(self._unopened, model.called if model.listed else UNLISTED)
        if prompt.raw:
            reading.shown = str
        return reading

    def without(self, answer: Answer, prompt: prompt_pb2.Prompt, *, model: Model) -> Answer:
        """A whole answer, its text without what was thought."""
        reading = self.reading(prompt, model=model)
        text = reading.shown(answer.text) + reading.rest(answer)
        return answer if text == answer.text else replace(answer, text=text)


class Reading:
    """One answer, as it comes. Cut anywhere, the pieces that are shown are together the same."""

    def __init__(self, unopened: set[str], model: str) -> None:
        self._unopened, self._model = unopened, model
        self._kept: list[str] = []  # all that came, until it is decided what it was
        self._seam = ""  # the last few characters, since a tag may be cut
        self._shown = 0
        self.shown: Read = self._begin

    def rest(self, end: Answer) -> str:
        """What was held back, when the answer is over."""
        if self.shown == self._begin:
            return "".join(self._kept)
        if self.shown != self._look or self._model not in self._unopened:
            return ""
        if end.finish_reason == completion_pb2.FINISH_REASON_LENGTH:
            return ""  # cut in the middle of its thoughts
        self._unopened.discard(self._model)
        return "".join(self._kept)[self._shown :]

    def _begin(self, piece: str) -> str:
        """Until it is clear that the answer begins with a tag, or does not."""
        self._kept.append(piece)
        self._seam = (self._seam + piece).lstrip()[: len(CLOSES)]
        if self._seam.startswith(OPENS):
            return self._now(self._think, "".join(self._kept).lstrip()[len(OPENS) :])
        if self._seam != CLOSES and any(tag.startswith(self._seam) for tag in TAGS):
            return ""
        return self._now(self._look, "".join(self._kept))

    def _think(self, piece: str) -> str:
        """Within the tags."""
        _, closed, answer = (found := self._seam + piece).partition(CLOSES)
        if closed:
            return self._now(self._blank, answer)
        self._seam = found[1 - len(CLOSES) :]
        return ""

    def _look(self, piece: str) -> str:
        """Without a tag at the beginning: the first one that ends something says what stood before it."""
        self._kept.append(piece)
        found = self._seam + piece
        self._seam = found[1 - len(CLOSES) :]
        if CLOSES in found:
            return self._judged("".join(self._kept))
        if self._model in self._unopened:
            return ""
        self._shown += len(piece)
        return piece

    def _judged(self, text: str) -> str:
        thought, _, answer = text.partition(CLOSES)
        if not _is_thought(thought):
            return self._now(str, text[self._shown :])
        self._unopened.add(self._model)
        if self._shown:
            # It cannot be taken back. Whoever asks again gets the answer alone: now it is known how it begins.
            raise ModelEmpty("What the model wrote so far was what it thinks, and no answer.")
        return self._now(self._blank, answer)

    def _blank(self, piece: str) -> str:
        """Between the tag and the answer."""
        text = piece.lstrip()
        return self._now(str, text) if text else ""

    def _now(self, read: Read, piece: str) -> str:
        self._kept.clear()
        self._seam = ""
        self.shown = read
        return read(piece)


def _is_thought(before: str) -> bool:
    """Whether a tag after this ends it: it begins a line, outside of a block of code, and nothing opened it."""
    line = before.rpartition("\n")[2]
    return not line.strip() and OPENS not in before and len(_fence.findall(before)) % 2 == 0
