"""How an id, a time and a document are stored, so that both databases keep the same value."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Text
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import Field

from kit.moments import EARLIEST, EPOCH, LATEST

# Ids are compared bytewise: a locale's collation costs time and orders them differently on each machine.
KEY = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")


def to_micros(moment: datetime) -> int:
    """SQLite has no type for time: it keeps whole microseconds since 1970, which compare as numbers."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_micros(micros: int) -> datetime:
    return EPOCH + timedelta(0, *divmod(micros, 1_000_000))


def from_postgres(when: datetime) -> datetime:
    """asyncpg writes the first and the last time that Python has as ±infinity, and reads that without a zone. None is
    taken any more; rows that are there already give a time that everybody can work with."""
    if when.tzinfo is None:
        return EARLIEST if when.year < EARLIEST.year else LATEST
    return when


class Moment(TypeDecorator[datetime]):
    """An aware UTC time: timestamptz on Postgres, integer microseconds on SQLite."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        native = dialect.name == "postgresql"
        return dialect.type_descriptor(postgresql.TIMESTAMP(timezone=True) if native else BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without its zone")
        return value if dialect.name == "postgresql" else to_micros(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return from_postgres(value).astimezone(UTC) if dialect.name == "postgresql" else from_micros(int(value))


def key(**more: Any) -> Any:
    return Field(sa_type=KEY, **more)


def primary(**more: Any) -> Any:
    return Field(sa_type=KEY, primary_key=True, **more)


def text(default: str = "") -> Any:
    return Field(default=default, sa_type=Text, sa_column_kwargs={"server_default": default})


def moment(**more: Any) -> Any:
    return Field(sa_type=Moment, **more)


def number(default: int = 0) -> Any:
    return Field(default=default, sa_type=BigInteger, sa_column_kwargs={"server_default": str(default)})


def document() -> Any:
    """A JSON document as text; absent when empty, which is nearly always."""
    return Field(default=None, sa_type=Text, nullable=True)
