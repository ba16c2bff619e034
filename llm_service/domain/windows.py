"""What of a prompt fits the window of the model that is asked, and how much may be written beside it?

A prompt is made for the first model of its chain; one that stands in for it may have a smaller window. What a server
says that it counted comes before our estimate.
"""

from dataclasses import replace

from kit.errors import ModelRefused
from llm_service.domain.backend import Model, most_tokens
from llm_service.domain.served import Route
from llm_service.domain.tokens import Estimate, said
from parley.chat.v1.message_pb2 import Role
from parley.llm.v1 import prompt_pb2

# Kept for an answer that has no limit, where a prompt has to be made shorter.
ANSWER_TOKENS = 512
# An estimate that leaves less than this is wrong sooner than an answer of so few tokens is of use.
LEAST_TOKENS = 64
# What a server adds around each message: role and separators.
TOKENS_AROUND = 4
# What the refusal of a server is about, in the error's metadata.
REFUSED, LENGTH, LIMIT = "refused", "length", "limit"

Asked = tuple[Route, prompt_pb2.Prompt]


class Windows:
    """Makes prompts, and limits on their answers, as small as a window demands."""

    def __init__(self, estimate: Estimate) -> None:
        self._estimate = estimate

    def first(self, route: Route, prompt: prompt_pb2.Prompt, *, made_for: Model) -> Asked:
        """Before a model is asked: the very same, where nothing is known to be too much."""
        model = route.model
        # Ollama has the window that we ask for, and would write ten of them, each over what was said before it.
        windowed = route.served.kind == "ollama"
        if model.is_guessed and not windowed:
            return route, prompt
        if model.window_tokens < made_for.window_tokens:
            prompt = self._within(prompt, model) or prompt
        limit = most_tokens(prompt, model) or (model.window_tokens if windowed else 0)
        if not limit:
            return route, prompt
        left = max(LEAST_TOKENS, model.window_tokens - self._tokens(prompt, model))
        return (_limited(route, left), prompt) if left < limit else (route, prompt)

    def after(self, route: Route, prompt: prompt_pb2.Prompt, *, error: ModelRefused) -> Asked | None:
        """After its server said that it is too much: what it may take instead. None when that is not known."""
        refused = error.metadata.get(REFUSED)
        if refused not in (LENGTH, LIMIT):
            return None
        read, window = (int(error.metadata.get(name, 0)) for name in ("input_tokens", "window_tokens"))
        if read and read >= window > 0:
            return self._as_counted(route, prompt, read=read, window=window)
        if refused == LENGTH and not read and (half := _shortened(prompt, said(prompt) // 2)):
            return route, half
        if not most_tokens(prompt, route.model):
            return None
        # More than there is room for: without a limit the server writes as much as there is room for, which is less.
        free = prompt_pb2.Prompt()
        free.CopyFrom(prompt)
        free.max_output_tokens = 0
        return _limited(route, 0), free

    def _as_counted(self, route: Route, prompt: prompt_pb2.Prompt, *, read: int, window: int) -> Asked | None:
        """As much of it as fits by the server's own count, which is learnt from."""
        self._estimate.learn(prompt, route.model.label, tokens=read)
        room = window - _reserve(prompt, route.model, window=window)
        shorter = _shortened(prompt, int(said(prompt) * room / read))
        limit = most_tokens(prompt, route.model)
        return None if shorter is None else (_limited(route, window - room) if limit else route, shorter)

    def _within(self, prompt: prompt_pb2.Prompt, model: Model) -> prompt_pb2.Prompt | None:
        """As much of it as is estimated to fit the model's window; None when all or nothing else does."""
        tokens = self._tokens(prompt, model)
        room = model.window_tokens - _reserve(prompt, model, window=model.window_tokens)
        return _shortened(prompt, said(prompt) * room // tokens) if tokens > room else None

    def _tokens(self, prompt: prompt_pb2.Prompt, model: Model) -> int:
        return self._estimate.count(prompt, model.label) + TOKENS_AROUND * len(prompt.messages)


def _limited(route: Route, tokens: int) -> Route:
    return Route(route.served, replace(route.model, max_output_tokens=tokens))


def _reserve(prompt: prompt_pb2.Prompt, model: Model, *, window: int) -> int:
    """What of the window is kept for the answer: never more than half."""
    return min(most_tokens(prompt, model) or ANSWER_TOKENS, window // 2)


def _shortened(prompt: prompt_pb2.Prompt, most: int) -> prompt_pb2.Prompt | None:
    """Without the oldest of what was said, so that so many characters are left at most. The system's messages stay, and
    all from the person's newest one on. A call goes with its results. None when nothing can go."""
    messages = prompt.messages
    newest = max((place for place, each in enumerate(messages) if each.role == Role.ROLE_CONTACT), default=0)
    over, gone = said(prompt) - most, set[int]()
    for place, each in enumerate(messages[:newest]):
        if each.role == Role.ROLE_SYSTEM:
            continue
        if over <= 0 and each.role != Role.ROLE_TOOL:
            break
        over -= len(each.text) + sum(len(call.arguments) for call in each.tool_calls)
        gone.add(place)
    if not gone:
        return None
    shorter = prompt_pb2.Prompt()
    shorter.CopyFrom(prompt)
    del shorter.messages[:]
    shorter.messages.extend(each for place, each in enumerate(messages) if place not in gone)
    return shorter
