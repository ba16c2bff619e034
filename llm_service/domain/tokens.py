"""How many tokens is a text? Estimated from its characters, and corrected by what the model itself counts.

Four characters a token to begin with. Each answer of a model says how many tokens it read; its ratio follows, old
answers fading, so that a model, a language or a tokeniser of another kind is learnt after a few of them.
"""

from dataclasses import dataclass

from parley.llm.v1 import prompt_pb2

CHARACTERS_PER_TOKEN = 4.0
# The start value weighs as much as this many tokens, so that one short answer does not overturn it.
_START_TOKENS = 64.0
# No language has fewer or more, whatever a server says that it counted of prompts without a word in them.
_LEAST, _MOST = 0.25, 16.0
# What an answer still weighs after each later one.
_FADING = 0.95


@dataclass(slots=True)
class _Seen:
    characters: float = _START_TOKENS * CHARACTERS_PER_TOKEN
    tokens: float = _START_TOKENS
    answers: int = 0


class Estimate:
    """The characters per token of each model, as this process has learnt them."""

    def __init__(self) -> None:
        self._models: dict[str, _Seen] = {}

    def ratio(self, model: str) -> float:
        """Characters per token."""
        seen = self._models.get(model)
        return min(max(seen.characters / seen.tokens, _LEAST), _MOST) if seen else CHARACTERS_PER_TOKEN

    def answers(self, model: str) -> int:
        """From how many answers it was learnt."""
        seen = self._models.get(model)
        return seen.answers if seen else 0

    def count(self, prompt: prompt_pb2.Prompt, model: str) -> int:
        """Tokens that the model will read; at least one for each message."""
        return max(len(prompt.messages), round(characters(prompt) / self.ratio(model)))

    def learn(self, prompt: prompt_pb2.Prompt, model: str, *, tokens: int) -> float | None:
        """Corrects the ratio by what the model counted. Gives the error that the estimate had, as a share of it; None
        for a prompt that is mostly tools: servers count tools and schemas in ways of their own, or not at all.

        Of the prompt the text alone counts: whether a server counts tools nobody knows, and tokens that are believed
        longer than they are would let a prompt grow over the window.
        """
        texts, called = _said(prompt)
        length, offered = texts + called, _offered(prompt)
        if called + offered > texts:
            return None
        wrong = abs(max(len(prompt.messages), round((length + offered) / self.ratio(model))) - tokens) / tokens
        seen = self._models.setdefault(model, _Seen())
        seen.characters = seen.characters * _FADING + length
        seen.tokens = seen.tokens * _FADING + tokens
        seen.answers += 1
        return wrong


def characters(prompt: prompt_pb2.Prompt) -> int:
    """All that the model reads: what was said, what was called, and what the tools are."""
    return said(prompt) + _offered(prompt)


def said(prompt: prompt_pb2.Prompt) -> int:
    """The characters of what was said, and of what was called."""
    return sum(_said(prompt))


def _said(prompt: prompt_pb2.Prompt) -> tuple[int, int]:
    """The characters of texts, and those of calls."""
    texts = called = 0
    for message in prompt.messages:
        texts += len(message.text)
        for call in message.tool_calls:
            called += len(call.arguments)
    return texts, called


def _offered(prompt: prompt_pb2.Prompt) -> int:
    tools = [len(tool.name) + len(tool.description) + len(tool.parameters) for tool in prompt.tools]
    return sum(tools) + len(prompt.output_schema)
