"""Which messages does a reply answer? A model server whose every reply names them: `re: m7-1 m7-2`."""

import json
import re
from collections.abc import Iterable
from typing import Any

from tests.simulated.wire import HttpServer, Reply, Request, answer

MODEL = "naming"
NAMED = re.compile(r"m\d+-\d+")


class NamingModel:
    """Speaks as much of Ollama's API as it takes."""

    def __init__(self, thinks_seconds: float) -> None:
        self._thinks_seconds = thinks_seconds
        self.server = HttpServer(self._answer)

    def _answer(self, request: Request) -> Reply:
        if request.path == "/api/tags":
            return answer(200, {"models": [{"name": MODEL, "model": MODEL}]})
        if request.path == "/api/show":
            return answer(200, {"model_info": {"general.architecture": "n", "n.context_length": 8192}})
        if request.path != "/api/chat":
            return answer(200, {"version": "0.9.0"})
        asked = json.loads(request.body)
        said = {"role": "assistant", "content": "re: " + " ".join(named(asked["messages"]))}
        done = {"model": asked["model"], "message": said, "done": True, "done_reason": "stop"}
        return answer(200, {**done, "prompt_eval_count": 9, "eval_count": 3}, after_seconds=self._thinks_seconds)


def named(messages: Iterable[dict[str, Any]]) -> list[str]:
    """What the person said since the last answer."""
    newest: list[str] = []
    for message in messages:
        newest = [] if message["role"] == "assistant" else newest
        if message["role"] == "user":
            newest += NAMED.findall(message["content"])
    return newest
