"""How does a program talk to the agent? By AgentService.HandleMessage: no webhooks, and nobody is called."""

from channels.channel import (
    BadSignature,
    Capabilities,
    CredentialField,
    Credentials,
    Decoded,
    Flow,
    HttpAnswer,
    Imitation,
    Markup,
    Outgoing,
    Sent,
    TextLimit,
    Unreadable,
    Webhook,
)
from channels.files import EVERY_KIND
from channels.media import Way


class Api:
    """The internal door. What is delivered on it is already in the conversation, where the caller reads it."""

    name = "api"
    provider = ""
    max_text = TextLimit(size=65_536, unit="characters")  # the contract's limit of a text: never split
    markup: Markup = "as_written"
    credential_fields: tuple[CredentialField, ...] = ()
    address_environment = ""
    formatting = ""  # the program knows what it shows; nobody else does
    capabilities = Capabilities(receipts=False, reconciles=False, repeats=True)
    takes: tuple[Way, ...] = ("url", "bytes")
    captioned = EVERY_KIND
    window = None
    unreadable = HttpAnswer(status=404, content_type="application/json", body=b"{}")

    def authenticate(self, _webhook: Webhook, _credentials: Credentials) -> None:
        """Refuses: callers come by gRPC, with an API key."""
        raise BadSignature

    def decode(self, _webhook: Webhook) -> Decoded:
        """Nothing: there is no body."""
        raise Unreadable

    def handshake(self, _webhook: Webhook, _credentials: Credentials) -> HttpAnswer | None:
        """None."""
        return None

    def give(self, outgoing: Outgoing, _credentials: Credentials) -> Flow:
        """Already given: who reads the conversation reads what came with the message."""
        yield from ()
        return Sent(f"{outgoing.delivery_id}.{outgoing.part}")

    def deliver(self, outgoing: Outgoing, _credentials: Credentials) -> Flow:
        """Already delivered."""
        yield from ()
        return Sent(f"{outgoing.delivery_id}.{outgoing.part}")

    def imitate(self, imitation: Imitation, _credentials: Credentials) -> Webhook:
        """A plain POST, which the gateway must refuse."""
        return Webhook(
            method="POST", url=imitation.url, headers={}, body=imitation.text.encode(), received_at=imitation.now
        )
