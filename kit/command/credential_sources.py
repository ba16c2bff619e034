"""Where does each credential of an account come from? What was given, what is stored, the environment, or a question.

Pure but for the files that --set names: no value is ever part of an error, for it may be the secret itself.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kit.command.screen import Mistake

GIVEN, STORED, MADE_UP, ASKED = "--set", "storage", "chance", "you"
Ask = Callable[[Any], str]


@dataclass(frozen=True, slots=True, repr=False)
class Sources:
    """Credentials by name, from each place that may have them."""

    given: Mapping[str, str]
    environment: Mapping[str, str]
    stored: Mapping[str, str]
    is_environments: bool = False  # the account that the environment describes: the mesh gives it these values anyway
    made_up: Collection[str] = ()  # those that chance may choose


@dataclass(frozen=True, slots=True, repr=False)
class Gathered:
    """The credentials, and where each is from."""

    values: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)

    def said(self) -> str:
        """For a person: names and places, no values."""
        return ", ".join(f"{name} from {origin}" for name, origin in self.origins.items())


def parsed(channel: Any, words: Sequence[str]) -> dict[str, str]:
    """What `--set name=value` and `--set name=@file` say."""
    known = [each.name for each in channel.credential_fields]
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in known:  # the word is not repeated: it may be a secret that lost its name
            fix = f"--set NAME=VALUE or --set NAME=@FILE, with one of: {', '.join(known) or 'nothing'}"
            raise Mistake(f"a --set names no credential of {channel.name}", fix=fix)
        found[name] = _of_file(name, Path(value[1:])) if value.startswith("@") else value.strip()
        if not found[name]:
            raise Mistake(f"--set {name} is empty", fix=f"--set {name}=@FILE, with the credential in the file")
    return found


def gather(channel: Any, sources: Sources, *, ask: Ask | None) -> Gathered:
    """Every credential that is needed, and what else was given. `ask` is None where nobody can be asked."""
    values, origins, missing = {}, {}, []
    for each in channel.credential_fields:
        origin, value = _first(each, sources)
        if not value and each.name not in sources.made_up and not each.generated and (each.required or each.verifies):
            origin, value = (ASKED, ask(each).strip()) if ask else ("", "")
            if not value:
                missing.append(each)
        if value:
            values[each.name], origins[each.name] = value, origin
    if missing:
        names = " and ".join(each.name for each in missing)
        raise Mistake(f"{channel.name} needs {names}", fix=_ways(missing[0]))
    return Gathered(values, origins)


def completed(channel: Any, gathered: Gathered, *, sources: Sources, random_secret: Callable[[], str]) -> Gathered:
    """With what is stored and was not named, and with what chance may choose."""
    values, origins = dict(gathered.values), dict(gathered.origins)
    for name, value in sources.stored.items():
        if name not in values:
            values[name], origins[name] = value, STORED
    for each in channel.credential_fields:
        if each.name not in values and (each.generated or each.name in sources.made_up):
            values[each.name], origins[each.name] = random_secret(), MADE_UP
    return Gathered(values, origins)


def secrets_of(channel: Any, values: Mapping[str, str]) -> dict[str, str]:
    """Those that nobody may see."""
    secret = {each.name for each in channel.credential_fields if each.secret}
    return {name: value for name, value in values.items() if value and name in secret}


def _first(wanted: Any, sources: Sources) -> tuple[str, str]:
    name = wanted.name
    from_environment = (wanted.environment, sources.environment.get(name, ""))
    if not sources.is_environments and name in sources.made_up:
        from_environment = ("", "")  # the secret of one webhook is not another's
    stored = (STORED, sources.stored.get(name, ""))
    places = (from_environment, stored) if sources.is_environments else (stored, from_environment)
    return next((each for each in ((GIVEN, sources.given.get(name, "")), *places) if each[1]), ("", ""))


def _ways(wanted: Any) -> str:
    variable = f", or {wanted.environment} in the environment" if wanted.environment else ""
    return f"--set {wanted.name}=@FILE{variable}; on a terminal you are asked"


def _of_file(name: str, file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        # The path is not repeated either: a secret may begin with @.
        what = f"the file of --set {name} cannot be read ({type(error).__name__})"
        raise Mistake(what, fix=f"--set {name}=@FILE names a text file") from None
