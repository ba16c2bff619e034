"""What may an operator set, and what is said when a setting is wrong? Environment and .env are read here only."""

import difflib
import importlib
import importlib.util
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from dotenv.parser import parse_stream
from pydantic import AfterValidator, Field, SecretStr, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as UndecodableError

from kit import addresses, mistakes

# Whose settings.py there is.
SERVICES = ("gateway", "storage_service", "agent_service", "llm_service", "sender_service", "sandbox")

# A name in the process environment is taken for ours when it starts like this, or is almost one of ours. In .env
# every name is ours, except those that docker compose reads there.
PREFIXES = ("PARLEY_", "MESH_")
_COMPOSE = ("COMPOSE_", "POSTGRES_", "GRAFANA_", "DOCKER_")
_ALMOST = 0.92

# Every program reads these in lower case, too, and then first.
_EITHER_CASE = ("https_proxy", "http_proxy", "no_proxy")

# Kubernetes puts PARLEY_SERVICE_HOST and PARLEY_PORT_80_TCP there for a service that is called parley.
_kubernetes = re.compile(r".*_(SERVICE_(HOST|PORT)|PORT)(_.*)?").fullmatch


class SettingsError(ValueError):
    """A setting is wrong. One line for the operator: which, where it came from, what is right; never its value."""


def _checked_token(given: SecretStr) -> SecretStr:
    token = given.get_secret_value()
    if not (token.isascii() and token.isprintable()):
        raise ValueError("must be printable ASCII in one line: it goes in a header of each call")
    return given


MeshAddress = Annotated[str, AfterValidator(addresses.checked)]
Token = Annotated[SecretStr, AfterValidator(_checked_token)]


class Settings(BaseSettings):
    """What every service has. Constructing one reads nothing; `load` does."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True, validate_default=False
    )

    # Names that the service reads under other fields than its own, for example the accounts of a channel.
    also_known: ClassVar[tuple[str, ...]] = ()

    data_dir: Path = Field(Path("data"), description="Folder for the database, the mesh token and other local state")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged")
    log_format: Literal["json", "console"] = Field("json", description="One JSON object per line, or lines for people")
    no_color: str = Field("", description="Anything here switches colours off (no-color.org)")

    mesh_token: Token = Field(
        SecretStr(""),
        description="What services show each other. Empty: read from <DATA_DIR>/mesh.token, made when missing",
    )
    mesh_tls_ca: Path | None = Field(None, description="PEM file of the CA that signs mesh certificates. Empty: no TLS")
    mesh_tls_cert: Path | None = Field(None, description="PEM file of this service's certificate")
    mesh_tls_key: Path | None = Field(None, description="PEM file of this service's private key")
    mesh_tls_names: str = Field(
        "",
        description="Hosts that the mesh's own certificates are for, separated by commas; who shows another of the CA "
        "needs an API key as well. Empty: every certificate of the CA opens everything",
    )
    mesh_max_message_bytes: int = Field(16 * 1024 * 1024, ge=65536, description="Largest gRPC message, in bytes")
    mesh_max_concurrent_calls: int = Field(
        6000, ge=2, description="Calls served at once; more are refused. At most half of storage's are open chat pages"
    )
    mesh_max_connection_age_seconds: int = Field(
        1800,
        ge=0,
        description="Age at which clients are asked to reconnect, in seconds, so that they find new replicas",
    )
    mesh_drain_delay_seconds: float = Field(
        0.2, ge=0, description="How long a stopping service still takes calls while it reports NOT_SERVING, in seconds"
    )
    mesh_reflection: bool = Field(True, description="Whether services describe themselves (gRPC reflection)")
    storage_address: MeshAddress = Field("127.0.0.1:50051", description="host:port of the storage service")
    agent_address: MeshAddress = Field("127.0.0.1:50052", description="host:port of the agent service")
    llm_address: MeshAddress = Field("127.0.0.1:50053", description="host:port of the llm service")
    sender_address: MeshAddress = Field("127.0.0.1:50054", description="host:port of the sender service")

    otel_exporter_otlp_endpoint: str = Field("", description="URL of an OTLP/HTTP collector. Empty: no tracing")
    otel_traces_sampler_arg: float = Field(1.0, ge=0, le=1, description="Share of traces that are recorded, 0.0 to 1.0")
    metrics_host: str = Field("127.0.0.1", description="Address to serve /metrics, /healthz and /readyz on")
    metrics_port: int = Field(0, ge=0, le=65535, description="Port for the same, when the service has no HTTP. 0: off")

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del settings_cls  # What is outside is read in load(), where the origin of a value is known.
        return (init_settings,)


AnySettings = TypeVar("AnySettings", bound=Settings)


def extended(cls: type[AnySettings], more: Iterable["SettingRow"], *, name: str) -> type[AnySettings]:
    """The same with texts that something else than the class says are wanted: of those that it has nothing changes."""
    fields: dict[str, Any] = {}
    for row in more:
        if row.name.lower() not in cls.model_fields:
            kind, default = (SecretStr, SecretStr("")) if row.secret else (str, "")
            fields[row.name.lower()] = (kind, Field(default, description=row.description))
    return create_model(name, __base__=cls, __module__=cls.__module__, __doc__=cls.__doc__, **fields)


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as an operator sees it."""

    name: str
    default: str
    description: str
    secret: bool


@dataclass(frozen=True, slots=True)
class _Given:
    value: str
    source: str


def load(
    cls: type[AnySettings],
    *,
    environ: Mapping[str, str] | None = None,
    env_file: Path | None = None,
    **overrides: Any,
) -> AnySettings:
    """The settings: overrides (None is none), then environment, then .env, then defaults. SettingsError when wrong.

    What surrounds a value is none of it: a secret that was made of a file ends in that file's newline.
    """
    environment, file = _environment(environ), dict(_read(env_file or Path(".env")))
    known = {row.name for row in describe(cls)} | set(cls.also_known)
    _refuse_unknown(file, environment, known=known)
    given = _those_set(known, file=file, environment=environment)
    chosen = {name: value for name, value in overrides.items() if value is not None}
    try:
        source = EnvSettingsSource(cls)
        source.env_vars = {name.lower(): each.value for name, each in given.items()}
        return cls(**{**source(), **chosen})
    except ValidationError as error:
        where = partial(_place, cls, given=given, chosen=chosen)
        said = mistakes.said(error, where=where, known=lambda _: cls.model_fields, what="setting")
        raise SettingsError(said) from None
    except UndecodableError as error:
        name = re.sub(r'.*field "(\w+)".*', r"\1", str(error)).upper()
        raise SettingsError(f"{name} ({given[name].source}): not valid JSON") from None


def values(names: Collection[str]) -> dict[str, str]:
    """What is set of these names, whoever's they are, read as `load` reads."""
    found = _those_set(names, file=dict(_read(Path(".env"))), environment=_environment(None))
    return {name: each.value for name, each in found.items()}


def describe(cls: type[Settings]) -> list[SettingRow]:
    """Every setting of the class, for .env.example and the documentation."""
    return [_row(name, field) for name, field in cls.model_fields.items()]


def _row(name: str, field: FieldInfo) -> SettingRow:
    default = field.get_default(call_default_factory=True, validated_data={})
    secret = isinstance(default, SecretStr) or "Secret" in str(field.annotation)
    if isinstance(default, bool):
        default = str(default).lower()
    if isinstance(default, SecretStr) or default is None or field.is_required():
        default = ""
    return SettingRow(_variable(name, field), str(default), field.description or "", secret)


def _variable(name: str, field: FieldInfo) -> str:
    return (field.validation_alias if isinstance(field.validation_alias, str) else name).upper()


def _environment(environ: Mapping[str, str] | None) -> dict[str, str]:
    found = {name: value.strip() for name, value in (os.environ if environ is None else environ).items()}
    return found | {name.upper(): found[name] for name in _EITHER_CASE if found.get(name)}


def _those_set(
    names: Collection[str], *, file: Mapping[str, _Given], environment: Mapping[str, str]
) -> dict[str, _Given]:
    """Empty is not set: then the environment leaves it to the file."""
    outside = {name: _Given(environment[name], "environment") for name in names if environment.get(name)}
    return {name: file[name] for name in names if name in file and file[name].value} | outside


def _read(path: Path) -> Iterator[tuple[str, _Given]]:
    for binding in parse_stream(StringIO(_text(path), newline=None)):
        text = binding.original.string  # Comes with the empty lines above it.
        line = binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
        source = f"{path.name} line {line}"
        if binding.error:
            raise SettingsError(f"{source}: not of the form NAME=value")
        if binding.key is not None:
            yield binding.key.upper(), _Given((binding.value or "").strip(), source)


def _text(path: Path) -> str:
    """Of a file that need not be there."""
    try:
        written = path.read_bytes() if path.is_file() else b""
        return written.decode()
    except UnicodeDecodeError as error:
        line = written[: error.start].count(b"\n") + 1
        raise SettingsError(f"{path.name} line {line}: not UTF-8; save the file in UTF-8") from None
    except OSError as error:
        raise SettingsError(f"{path.name} cannot be read: {error.strerror}") from None


def _refuse_unknown(file: Mapping[str, _Given], environment: Mapping[str, str], *, known: set[str]) -> None:
    strange = {name: each.source for name, each in file.items() if not name.startswith(_COMPOSE)}
    strange |= {name: "environment" for name in environment if _looks_ours(name, known)}
    strange = {name: source for name, source in strange.items() if name not in known}
    if not strange:
        return
    everyone = known | _all_names()
    for name, source in strange.items():
        if name not in everyone:
            near = difflib.get_close_matches(name, everyone, 1)
            raise SettingsError(f"{name} ({source}) is not a setting" + (f"; did you mean {near[0]}?" if near else ""))


def _looks_ours(name: str, known: Iterable[str]) -> bool:
    if name.startswith(PREFIXES):
        return _kubernetes(name) is None
    # A pair with a different start cannot be that close; looking first spares the slow comparison.
    alike = [each for each in known if each[0] == name[:1] and abs(len(each) - len(name)) <= 2]
    return name not in alike and bool(difflib.get_close_matches(name, alike, 1, _ALMOST))


def _all_names() -> set[str]:
    """Every setting of every service: they share one .env, so another's setting is not unknown."""
    names: set[str] = set()
    for service in SERVICES:
        if importlib.util.find_spec(f"{service}.settings") is not None:
            theirs: type[Settings] = importlib.import_module(f"{service}.settings").Settings
            names |= {row.name for row in describe(theirs)} | set(theirs.also_known)
    return names


def _place(
    cls: type[Settings], path: mistakes.Place, *, given: Mapping[str, _Given], chosen: Mapping[str, object]
) -> str:
    """The setting by the name that an operator knows, and where its value came from."""
    field = str(path[0]) if path else ""
    if field not in cls.model_fields:
        return field or "settings"
    name = _variable(field, cls.model_fields[field])
    source = "command line" if field in chosen else given[name].source if name in given else "default"
    return f"{name} ({source})"
