"""How is a provider for each call, and what does it see of it? Stands between the wire and a simulated provider."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from tests.simulated.slack import Slack
from tests.simulated.twilio import Twilio
from tests.simulated.wire import Handler, Reply, Request


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call to send, in the moment when it was there."""

    at: float  # by the provider's clock, in seconds
    sender: str
    to: str
    text: str
    mode: str  # how the provider was for it


Read = Callable[[Request], tuple[str, str, str] | None]  # sender, to, text; None of what sends nothing
Told = Callable[[str], str]  # by the sender, which mode the provider is in


@dataclass
class Weather:
    """What one provider sees, and how it is."""

    provider: Twilio | Slack
    read: Read
    told: Told
    arrivals: list[Arrival] = field(default_factory=list)

    def of(self, *senders: str) -> list[Arrival]:
        """All calls of these, in their order."""
        return [each for each in self.arrivals if each.sender in senders]

    @contextlib.contextmanager
    def over(self) -> Iterator["Weather"]:
        """For a while; then the provider is well again."""
        server = self.provider.server
        handler = server.handler

        def under(request: Request) -> Reply:
            return self._under(request, handler)

        server.handler = under
        try:
            yield self
        finally:
            server.handler, self.provider.mode = handler, "ok"

    def _under(self, request: Request, handler: Handler) -> Reply:
        if call := self.read(request):
            self.provider.mode = self.told(call[0])
            self.arrivals.append(Arrival(time.monotonic(), *call, self.provider.mode))
        return handler(request)


def of_twilio(request: Request) -> tuple[str, str, str] | None:
    """POST Messages.json."""
    if not request.path.endswith("/Messages.json"):
        return None
    form = parse_qs(request.body.decode())
    return form["From"][0], form["To"][0], form["Body"][0]


def of_slack(request: Request) -> tuple[str, str, str] | None:
    """chat.postMessage."""
    if not request.path.endswith("/chat.postMessage"):
        return None
    asked = json.loads(request.body)
    return "app", asked["channel"], asked["text"]
