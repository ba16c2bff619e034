"""What may an operator set of the model service?"""

from pydantic import Field

from kit import settings


class Settings(settings.Settings):
    """The model service's own settings, beside those that every service has."""

    ollama_base_url: str = Field(
        default="http://127.0.0.1:11434",
        pattern=r"^https?://[^/\s]+",
        description="Where Ollama is. Not set: a server found at the default is used, else echo answers until one is "
        "found. Set: echo never answers in its place; people get the fallback text while it is away.",
    )
    default_model: str = Field(
        default="",
        max_length=128,
        description="The model when nothing else names one; `echo` for echo. Empty: the first that the server lists.",
    )
    llm_concurrency: int = Field(
        default=256,
        ge=1,
        le=4096,
        description="Most calls to one backend at the same time; one more is told to come again in 1 s.",
    )
    llm_window_tokens: int = Field(
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
        description="Longest answer to read from a model server, in bytes; a longer one counts as garbage.",
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
    def ollama_named(self) -> bool:
        """Whether an operator named the server, be it by the same URL as the default."""
        return "ollama_base_url" in self.model_fields_set and bool(self.ollama_base_url)
