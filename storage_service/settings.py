"""What may an operator set of the storage service?"""

from typing import Literal

from pydantic import Field, SecretStr, field_validator

from kit import settings
from storage_service import database_url
from storage_service.domain import defaults
from storage_service.domain.mutations import GUARDED, Mutations


class Settings(settings.Settings):
    """The storage service's own settings, beside those that every service has."""

    database_url: str = Field(
        "",
        description="sqlite:///<path> for one process, postgresql://user@host/name from the first replica on, with "
        "libpq's parameters (?sslmode=verify-full&sslrootcert=system). Empty: SQLite in DATA_DIR",
    )
    secret_keys: SecretStr = Field(
        SecretStr(""),
        description="Keys that seal credentials at rest, id:base64 of 32 bytes, comma separated, the first one seals. "
        "Empty: read from <DATA_DIR>/secret.key, made when missing",
    )
    max_open_turns: int = Field(
        100_000, ge=1, description="Turns waiting or running at which nothing more is accepted for a while"
    )
    max_queued_deliveries: int = Field(
        100_000, ge=1, description="Deliveries not sent yet at which nothing more is accepted for a while"
    )
    max_queued_per_account: int = Field(
        10_000,
        ge=10,
        description="Deliveries of one account not sent yet at which nothing more is taken for it; an account's option "
        "max_queued says otherwise",
    )
    turn_max_leases: int = Field(
        5, ge=1, le=100, description="Leases of one turn without an end after which the person gets the fallback text"
    )
    raw_payload_retention_seconds: int = Field(
        604_800,
        ge=0,
        description="How long the bodies of webhooks are kept, and receipts about nothing that we sent, in seconds",
    )
    media_wait_seconds: float = Field(
        10.0, ge=0, le=120, description="How long a turn waits for the attachments of its messages, in seconds"
    )
    media_retention_seconds: int = Field(
        2_592_000, ge=0, description="How long the bytes of attachments are kept, in seconds"
    )
    fallback_text: str = Field(
        defaults.FALLBACK_TEXT,
        min_length=1,
        max_length=4096,
        description="What a person is told when no answer can be made, unless the agent says otherwise",
    )
    storage_sweep_seconds: float = Field(
        1.0, gt=0, le=60, description="How often expired leases and overdue turns are looked for, in seconds"
    )
    storage_drain_seconds: float = Field(
        10.0, ge=0, le=600, description="How long calls may go on after SIGTERM, in seconds"
    )
    parley_env: Literal["", "test"] = Field("", description="`test` allows PARLEY_TEST_MUTATION. Empty: a real mesh")
    parley_test_mutation: Literal["", "fencing", "dedupe", "attempt_record"] = Field(
        "", description="A guard that is taken out, to show that tests miss it. Refused unless PARLEY_ENV is `test`"
    )

    @field_validator("database_url")
    @classmethod
    def _check_database(cls, value: str) -> str:
        if value:
            database_url.check(value)
        return value

    def database(self) -> str:
        """The URL of what is opened: without DATABASE_URL a file in the data folder."""
        return self.database_url or f"{database_url.SQLITE}{self.data_dir / 'parley.db'}"

    def mutations(self) -> Mutations:
        """Which guards stand. Raises SettingsError where one may not be taken out."""
        if not self.parley_test_mutation:
            return GUARDED
        if self.parley_env != "test":
            said = "PARLEY_TEST_MUTATION takes out a guard and is refused unless PARLEY_ENV is test"
            raise settings.SettingsError(said)
        return Mutations(**{self.parley_test_mutation: False})
