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

# Most models write the first; Magistral, Seed-OSS, EXAONE Deep and those that were told to, one of the others.
PAIRS = {
    "<think>": "</think>",
    "[THINK]": "[/THINK]",
    "<seed:think>": "</seed:think>",
    "<thought>": "</thought>",
    "<thinking>": "</thinking>",
}
OPENING = {closes: opens for opens, closes in PAIRS.items()}
TAGS = (*PAIRS, *OPENING)
LONGEST = max(map(len, TAGS))
Read = Callable[[str], str]
_closing = re.compile("|".join(map(re.escape, OPENING)))
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
        self._closes = ""  # the tag that ends what is thought just now
        self._shown = 0
        self.shown: Read = self._begin

    def rest(self, end: Answer) -> str:
        """What was held back, when the answer is over."""
        if self.shown == self._begin:
            return "".join(self._kept)
        if self.shown == self._blank:
            return self._seam
        if self.shown != self._look or self._model not in self._unopened:
            return ""
        if end.finish_reason == completion_pb2.FINISH_REASON_LENGTH:
            return ""  # cut in the middle of its thoughts
        self._unopened.discard(self._model)
        return "".join(self._kept)[self._shown :]

    def _begin(self, piece: str) -> str:
        """Until it is clear that the answer begins with a tag, or does not."""
        self._kept.append(piece)
        self._seam = (self._seam + piece).lstrip()[:LONGEST]
        if opens := _opening(self._seam):
            return self._thinks(opens, "".join(self._kept).lstrip())
        if self._seam not in OPENING and any(tag.startswith(self._seam) for tag in TAGS):
            return ""
        return self._now(self._look, "".join(self._kept))

    def _thinks(self, opens: str, text: str) -> str:
        self._closes = PAIRS[opens]
        return self._now(self._think, text[len(opens) :])

    def _think(self, piece: str) -> str:
        """Within the tags."""
        _, closed, answer = (found := self._seam + piece).partition(self._closes)
        if closed:
            return self._now(self._blank, answer)
        self._seam = found[1 - len(self._closes) :]
        return ""

    def _look(self, piece: str) -> str:
        """Without a tag at the beginning: the first one that ends something says what stood before it."""
        self._kept.append(piece)
        found = self._seam + piece
        self._seam = found[1 - LONGEST :]
        if _closing.search(found):
            return self._judged("".join(self._kept))
        if self._model in self._unopened:
            return ""
        self._shown += len(piece)
        return piece

    def _judged(self, text: str) -> str:
        closing = _closing.search(text)
        if closing is None or not _is_thought(text[: closing.start()], opens=OPENING[closing[0]]):
            return self._now(str, text[self._shown :])
        self._unopened.add(self._model)
        if self._shown:
            # It cannot be taken back. Whoever asks again gets the answer alone: now it is known how it begins.
            raise ModelEmpty("What the model wrote so far was what it thinks, and no answer.")
        return self._now(self._blank, text[closing.end() :])

    def _blank(self, piece: str) -> str:
        """Between the tag and the answer, or what is thought once more before it."""
        text = (self._seam + piece).lstrip()
        if opens := _opening(text):
            return self._thinks(opens, text)
        if any(each.startswith(text) for each in PAIRS):
            self._seam = text
            return ""
        return self._now(str, text)

    def _now(self, read: Read, piece: str) -> str:
        self._kept.clear()
        self._seam = ""
        self.shown = read
        return read(piece)


def _opening(text: str) -> str:
    """The tag that it begins with; empty for none."""
    return next((each for each in PAIRS if text.startswith(each)), "")


def _is_thought(before: str, *, opens: str) -> bool:
    """Whether a tag after this ends it: it begins a line, outside of a block of code, and nothing opened it."""
    line = before.rpartition("\n")[2]
    return not line.strip() and opens not in before and len(_fence.findall(before)) % 2 == 0
