"""Does a provider post to us? What is asked of it and told to it about the webhook of one account."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from kit.command import accounts, asking, credential_sources, services
from kit.command.findings import Finding, Level, look, ok
from kit.command.screen import Mistake, printable
from parley.storage.v1.directory_pb2 import ChannelAccount

# Who answers, where the name of the settings is not theirs.
CALLED = {"whatsapp": "Meta", "instagram": "Meta", "line": "LINE"}
HERE = {"localhost", "127.0.0.1", "::1"}
HTTPS_FIX = "set PUBLIC_BASE_URL to the gateway's public https:// address, as the mesh has it"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the settings say of the way in and of the way out."""

    public_base_url: str
    api_base_urls: Mapping[str, str]

    @property
    def is_sandboxed(self) -> bool:
        """Whether those who are asked are stand-ins on this machine, which reach the gateway as it is."""
        hosts = {urlsplit(each).hostname for each in self.api_base_urls.values()}
        return bool(self.public_base_url and hosts) and hosts <= HERE

    @property
    def trouble(self) -> str:
        """Why no provider can reach the gateway; "" when nothing is known to be in the way."""
        if self.is_sandboxed:
            return ""
        if not self.public_base_url:
            return "PUBLIC_BASE_URL is not set, so no provider knows where we are"
        return "" if self.public_base_url.startswith("https://") else "PUBLIC_BASE_URL is not https"


def surroundings() -> Surroundings:
    """Of the sender: the gateway's settings refuse a channel that is half set, which is what is looked for here."""
    settings = services.settings_of(services.named("sender"))
    return Surroundings(str(settings.public_base_url).rstrip("/"), settings.api_base_urls())


@dataclass(frozen=True, slots=True, repr=False)
class Provider:
    """Who is asked about an account; `setup` is None where nobody knows how."""

    channel: Any
    setup: Any
    candidate: Any
    secrets: Mapping[str, str]

    async def known(self) -> Any:
        """Who the credentials are, as the setup says it; None where nobody can be asked. Raises Mistake."""
        return await self._ask(self.setup.probe(self.candidate)) if self.setup else None

    def said(self, known: Any) -> tuple[Finding, ...]:
        """What the provider knows, each note a line; or why nobody was asked."""
        return (self.unasked(),) if known is None else told(self.channel.provider, known)

    async def inspect(self) -> list[Finding]:
        """How the webhook stands."""
        if not self.setup:
            return []
        standings = await self._ask(self.setup.inspect(self.candidate))
        return [self._finding(each) for each in standings]

    async def register(self) -> bool:
        """Sets the webhook; False where a person must."""
        telling = self.setup and self.setup.register(self.candidate)
        if telling is None:
            return False
        await self._ask(telling)
        return True

    async def unregister(self) -> bool | None:
        """Whether the webhook was ours and is gone; None where a person must take it away."""
        telling = self.setup and self.setup.unregister(self.candidate)
        return None if telling is None else bool(await self._ask(telling))

    def clicks(self) -> tuple[str, ...]:
        """What a person does to set the webhook."""
        if not self.setup:
            return (f"see docs/channels/{self.channel.name}.md, with {self.url}",)
        steps: tuple[str, ...] = self.setup.clicks(self.candidate)
        return steps

    @property
    def url(self) -> str:
        """What a person enters."""
        url = self.candidate.webhook_url or f"https://<your host>{self.candidate.webhook_path}"
        return f"{url}{self.setup.url_ending if self.setup else ''}"

    def unasked(self) -> Finding:
        """Why nobody was asked."""
        if not self.channel.provider:
            return ok("credentials", "nobody to ask: it is a channel of Parley's own")
        name = self.channel.name
        fix = f"write to it and see whether it answers; docs/channels/{name}.md"
        return look("credentials", f"{name} cannot be checked: Parley does not know how to ask", fix=fix)

    async def _ask(self, question: Any) -> Any:
        return await asking.ask(question, _called(self.channel.provider), hidden=self.secrets)

    def _finding(self, standing: Any) -> Finding:
        found = printable(standing.found)
        if standing.good:
            return ok("webhook", found)
        again = f"parley channels add {self.channel.name} --address {self.candidate.address}"
        ways = f"{again} says what to click" if self.setup.register(self.candidate) is None else f"{again} sets it"
        return look("webhook", found, fix=standing.fix or ways)


def provider(
    account: ChannelAccount, credentials: Mapping[str, str], *, around: Surroundings, is_alone: bool
) -> Provider:
    """Of an account, stored or to be stored."""
    channel = accounts.account(account.channel).channel
    candidate = importlib.import_module("channels.setup").Candidate(
        address=account.address,
        credentials=importlib.import_module("channels.channel").Credentials(credentials),
        public_base_url=around.public_base_url,
        webhook_path=path(account),
        is_alone=is_alone,
        api_base_url=around.api_base_urls.get(channel.provider, ""),
        options=dict(account.options),
    )
    secrets = credential_sources.secrets_of(channel, credentials)
    return Provider(channel, setup_of(account.channel), candidate, secrets)


def path(account: ChannelAccount) -> str:
    """Where its webhooks come in; "" on a channel without a provider."""
    known = accounts.channels().get(account.channel)
    has_webhooks = known is not None and known.provider
    return f"/webhook/{account.channel}/{account.account_key}" if has_webhooks else ""


def page(account: ChannelAccount, around: Surroundings) -> list[Finding]:
    """Where a browser finds it, on the channel that has a page of ours."""
    base = around.public_base_url or "http://<your host>"
    return [ok("page", f"{base}/?site={account.account_key}")] if account.channel == "webchat" else []


def as_finding(about: str, mistake: Mistake) -> Finding:
    """What went wrong when a provider was asked."""
    return Finding(Level(mistake.code), about, str(mistake), mistake.fix)


def told(provider_name: str, known: Any) -> tuple[Finding, ...]:
    """What the provider knows, each note a line."""
    named = ", ".join(printable(each) for each in (known.name, known.address) if each)
    right = ok("credentials", f"{_called(provider_name)} takes them: {named or 'it tells no name'}")
    return (right, *(ok("note", each) for each in known.notes))


def setup_of(channel: str) -> Any:
    """What can be asked of its provider; None where nobody knows how."""
    return importlib.import_module("channels.setup_registry").SETUPS.get(channel)


def _called(provider_name: str) -> str:
    return CALLED.get(provider_name, provider_name.capitalize())
