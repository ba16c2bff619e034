"""What may an operator set of the agent service?"""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from kit import settings

_channel_name = re.compile(r"[a-z0-9_]{1,32}").fullmatch


def _channels(listed: str) -> str:
    names = [name.strip().lower() for name in listed.split(",") if name.strip()]
    if not all(map(_channel_name, names)):
        raise ValueError("should be names of channels, divided by commas")
    return ",".join(names)


Channels = Annotated[str, AfterValidator(_channels)]


class Settings(settings.Settings):
    """The agent service's own settings, beside those that every service has."""

    agent_concurrency: int = Field(256, ge=1, le=256, description="Most turns that one agent process answers at a time")
    agent_lease_seconds: float = Field(
        30.0, ge=1, le=600, description="How long a turn stays with a process that fell silent, in seconds"
    )
    agent_poll_seconds: float = Field(20.0, ge=0, le=60, description="How long one call waits for turns, in seconds")
    agent_drain_seconds: float = Field(
        20.0, ge=0, le=600, description="How long turns may go on after SIGTERM before they are given back, in seconds"
    )
    agent_history: int = Field(
        60,
        ge=0,
        le=200,
        description="Most earlier messages that are shown to the model; with 50 or less nothing is summarised",
    )
    agent_reserve_tokens: int = Field(
        512, ge=1, le=65_536, description="Tokens kept free for the answer, unless the agent says otherwise"
    )
    agent_languages: Literal["builtin", "lingua"] = Field(
        "builtin",
        description="What tells languages apart: builtin, or lingua, which knows more: `pip install parley[lingua]`",
    )
    agent_opt_out_channels: Channels = Field(
        "sms,whatsapp,whatsapp_cloud",
        max_length=512,
        description="Channels, divided by commas, on which a lone STOP, BAJA or SAIR means: no more messages",
    )
    agent_hand_off_tool: bool = Field(
        True, description="Whether the model may ask for a human by a tool, where it takes tools"
    )
    agent_texts_file: str = Field(
        "",
        max_length=4096,
        description="A TOML file with sentences that take the place of what the agent says by itself: docs/agent.md",
    )
    llm_timeout_seconds: float = Field(
        25.0,
        gt=0,
        le=600,
        description="Longest wait for an answer of the model before the fallback text, in seconds. The llm service has "
        "to know it, too: who had two fifths of it, at most 10 s, and no answer counts as a failure of the model",
    )
    fallback_text: str = Field(
        "Sorry, I cannot answer right now. Please try again in a moment.",
        min_length=1,
        max_length=4096,
        description="What a person is told when no answer can be made, unless the agent says otherwise",
    )
    guard_rules_file: Path | None = Field(
        None, description="A TOML file with rules of your own, beside those that come with the agent. Empty: none"
    )
    guard_judge: Literal["off", "model", "plugin"] = Field(
        "off",
        description="Who is asked about a text that rules only suspect: nobody, the default model, or a service of "
        "yours at GUARD_JUDGE_ADDRESS",
    )
    guard_judge_address: str = Field(
        "", max_length=512, description="host:port of a service that judges: docs/guardrails.md. Needed for plugin"
    )
    guard_judge_token: settings.Token = Field(
        SecretStr(""), description="What the agent shows to that service, as a bearer token. Empty: nothing"
    )
    guard_judge_tls_ca: Path | None = Field(
        None, description="PEM file of the CA that signs that service's certificate. Empty: no TLS"
    )
    guard_judge_seconds: float = Field(
        2.0, gt=0, le=30, description="Longest wait for the judge, in seconds; after it the turn's tools are restricted"
    )

    @model_validator(mode="after")
    def _check_judge(self) -> Self:
        if self.guard_judge == "plugin" and not re.fullmatch(r".+:\d{1,5}|unix:.+", self.guard_judge_address):
            raise ValueError("GUARD_JUDGE=plugin needs GUARD_JUDGE_ADDRESS as host:port")
        return self
