"""What may an operator set of the model service?"""

from pathlib import Path

from pydantic import Field, SecretStr

from kit.proxies import OutwardSettings
from kit.settings import Token
from llm_service.domain.addresses import Url
from llm_service.domain.catalogue import Window


class Settings(OutwardSettings):
    """The model service's own settings, beside those that every service has."""

    ollama_base_url: Url = Field(
        default="http://127.0.0.1:11434",
        description="Where Ollama is. Not set: a server found at the default is used, else echo answers until one is "
        "found. Set: echo never answers in its place; people get the fallback text while it is away.",
    )
    openai_base_url: Url = Field(
        default="https://api.openai.com/v1",
        description="Where a server of OpenAI's protocols is, with its /v1. Used once this or OPENAI_API_KEY is set.",
    )
    openai_api_key: Token = Field(
        default=SecretStr(""), description="Key for OPENAI_BASE_URL; it is sent to that host alone."
    )
    default_model: str = Field(
        default="",
        max_length=128,
        description="The model when nothing else names one; `echo` for echo. Empty: the default of models.toml, else "
        "the first that Ollama lists.",
    )
    models_file: Path = Field(
        default=Path("models.toml"),
        description="What there is to ask, and on what terms: docs/models.md. Read again when it changes. A file that "
        "is not there is none, unless this is set.",
    )
    llm_concurrency: int = Field(
        default=256,
        ge=1,
        le=4096,
        description="Most calls to one backend at the same time, where models.toml does not say.",
    )
    llm_queue: int = Field(
        default=64,
        ge=0,
        le=4096,
        description="Most calls that wait for a place at one backend; one more is told to come again in 1 s.",
    )
    llm_timeout_seconds: float = Field(
        default=25.0,
        gt=0,
        le=600,
        description="The longest wait of the agent, in seconds. Who had two fifths of it, at most 10 s, and no answer "
        "counts as a failure of the model.",
    )
    llm_breaker_seconds: float = Field(
        default=300.0,
        gt=0,
        le=86_400,
        description="How long a model is left alone after three failures in a row, in seconds.",
    )
    llm_probe_seconds: float = Field(
        default=30.0,
        gt=0,
        le=600,
        description="Deadline of the one call, in seconds, that then finds out whether it is well again.",
    )
    llm_window_tokens: Window = Field(
        default=4096,
        ge=0,
        le=10_000_000,
        description="Most tokens of context to ask a model server memory for, per model. 0: all that the model can. A "
        "num_ctx in an Ollama Modelfile comes before this.",
    )
    llm_answer_bytes: int = Field(
        default=2 * 1024 * 1024,
        ge=1024,
        le=64 * 1024 * 1024,
        description="Longest answer to read from a model server, in bytes; 16 times that for a stream. A longer one "
        "counts as garbage.",
    )
    llm_silence_seconds: float = Field(
        default=15.0,
        gt=0,
        le=600,
        description="Longest silence, in seconds, within a streamed answer that has begun.",
    )
    llm_recheck_seconds: float = Field(
        default=5.0,
        gt=0,
        le=3600,
        description="Time between two looks at what the model server has, in seconds.",
    )

    @property
    def late_seconds(self) -> float:
        """How long a caller must have waited in vain to tell of a model: of the agent's time, a model with others after
        it gets half, and what is kept for the fallback text goes from that."""
        return min(10.0, 0.4 * self.llm_timeout_seconds)

    @property
    def openai_named(self) -> bool:
        """Whether an operator named a server of OpenAI's protocols."""
        return "openai_base_url" in self.model_fields_set or bool(self.openai_api_key.get_secret_value())

    @property
    def models_file_named(self) -> bool:
        """Whether an operator named the file, so that it must be there."""
        return "models_file" in self.model_fields_set

    @property
    def ollama_named(self) -> bool:
        """Whether an operator named the server, be it by the same URL as the default."""
        return "ollama_base_url" in self.model_fields_set and bool(self.ollama_base_url)
