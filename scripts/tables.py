"""What do the generated blocks say? Each writer reads the thing itself: settings, contract, registry, metrics, help."""

import importlib
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from prometheus_client import Counter
from pydantic.fields import FieldInfo

from channels.registry import CHANNELS
from kit import contract
from kit import metrics as known_metrics
from kit.settings import SERVICES, SettingRow, Settings, describe
from llm_service.domain.catalogue import Catalogue, Entry, Server
from storage_service.domain.api_keys import MESH_ONLY

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto" / "parley"
RPC = re.compile(
    r"((?:^  //[^\n]*\n)+)  rpc (\w+)\((?:stream )?\w+\) returns \((stream )?\w+\) \{(.*?)^  \}",
    re.DOTALL | re.MULTILINE,
)
REASON = re.compile(r"((?:^  //[^\n]*\n)+)  ERROR_REASON_(\w+) = (\d+);", re.MULTILINE)
EVERY_SERVICE = "every service"
PLUGINS = ("guard",)  # Parley calls them: who may is not for its keys to say.
ENV_WIDTH = 110


def settings(_argument: str) -> str:
    """Every setting, by who reads it."""
    parts = []
    for owner, rows in _settings_by_owner():
        body = drawn(("name", "default", "what"), ((f"`{r.name}`", _code(r.default), r.description) for r in rows))
        parts.append(f"### {owner.capitalize()}\n\n{body}")
    return "\n".join(parts)


def env_example() -> str:
    """A .env that changes nothing, and names everything."""
    lines = [
        "# Every setting of Parley. Copy this file to .env and change what you need; the environment wins over it.",
        "# A line that begins with # shows the default. Made by `make generate` from the services' settings.py.",
    ]
    for owner, rows in _settings_by_owner():
        lines += ["", "", f"# {owner.upper()}"]
        for row in rows:
            lines += [
                "",
                *(f"# {line}" for line in textwrap.wrap(row.description, ENV_WIDTH)),
                f"#{row.name}={row.default}",
            ]
    return "\n".join(lines) + "\n"


def rpcs(noun: str) -> str:
    """The rpcs of one package of the contract."""
    rows = []
    for file in sorted((PROTO / noun).rglob("*.proto")):
        text = file.read_text()
        service = next(iter(re.findall(r"^service (\w+)", text, re.MULTILINE)), "")
        for comment, name, stream, options in RPC.findall(text):
            scope = next(iter(re.findall(r'scope: "([^"]+)"', options)), "")
            who = f"`{scope}`{_mesh_alone(noun, service, name=name)}"
            rows.append((f"`{service}.{name}`", _first_sentence(comment, name, stream), who))
    return drawn(("rpc", "what", "scope"), rows)


def _mesh_alone(noun: str, service: str, *, name: str) -> str:
    """What no API key opens: its scope is given to none, or it acts for every tenant at once."""
    known = next(each for each in contract.rpcs() if each.path == f"/parley.{noun}.v1.{service}/{name}")
    opened = known.tenant_scoped and known.scope not in MESH_ONLY
    return "" if opened or noun in PLUGINS else ", the mesh alone"


def reasons(_argument: str) -> str:
    """Every ErrorReason."""
    text = (PROTO / "error/v1/error_reason.proto").read_text()
    rows = [
        (f"`{name}`", *_split_status(_joined(comment)))
        for comment, name, number in REASON.findall(text)
        if number != "0"
    ]
    return drawn(("reason", "when", "status"), rows)


def channels(_argument: str) -> str:
    """What each channel needs and can do."""
    rows = []
    for name, channel in sorted(CHANNELS.items()):
        needed = [each for each in channel.credential_fields if each.required or each.verifies]
        fields = [each.environment for each in needed] + [channel.address_environment]
        needs = ", ".join(f"`{each}`" for each in dict.fromkeys(fields) if each) or "nothing"
        limit = f"{channel.max_text.size:,} {channel.max_text.unit}"
        if channel.max_text.segments:
            limit += f", {channel.max_text.segments.most} segments"
        rows.append((f"`{name}`", needs, limit, "yes" if channel.capabilities.receipts else "no"))
    return drawn(("channel", "settings", "longest part", "receipts"), rows)


def metrics(_argument: str) -> str:
    """The one table of metrics."""
    rows = []
    for each in vars(known_metrics).values():
        if hasattr(each, "_labelnames") and hasattr(each, "describe"):
            labels = ", ".join(f"`{label}`" for label in each._labelnames)
            ending = "_total" if isinstance(each, Counter) else ""
            rows += [(f"`{family.name}{ending}`", labels, family.documentation) for family in each.describe()]
    return drawn(("metric", "labels", "what"), rows)


def models_file(_argument: str) -> str:
    """Every key of models.toml, by the table that it stands in."""
    parts = []
    for where, table in (("At the top", Catalogue), ("`[backends.NAME]`", Server), ("`[models.NAME]`", Entry)):
        fields = ((f"`{name}`", _default(field), field.description or "") for name, field in table.model_fields.items())
        parts.append(f"{where}:\n\n{drawn(('key', 'default', 'what'), fields)}")
    return "\n".join(parts)


def models_example(_argument: str) -> str:
    """The example that a test reads."""
    return _pasted((ROOT / "models.example.toml").read_text(), language="toml")


def targets(_argument: str) -> str:
    """What `make` prints."""
    done = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    return _pasted(f"$ make\n{done.stdout}")


def command_help(argument: str) -> str:
    """What `parley … --help` prints, plain."""
    words = [word for word in argument.split(",") if word]
    plain = {
        **os.environ,
        "NO_COLOR": "1",
        "TERM": "dumb",
        "COLUMNS": "100",
        "TYPER_USE_RICH": "0",
        "_TYPER_FORCE_DISABLE_TERMINAL": "1",
    }
    command = [sys.executable, "-m", "kit.command", *words, "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=plain)
    lines = [line.rstrip() for line in done.stdout.strip().splitlines()]
    return _pasted(f"$ {' '.join(['parley', *words, '--help'])}\n" + "\n".join(lines) + "\n")


def _settings_by_owner() -> list[tuple[str, list[SettingRow]]]:
    """Each setting once, where it is met first: several services may read the same one."""
    owners = [(EVERY_SERVICE, describe(Settings))]
    for service in SERVICES:
        met = {row.name for _owner, rows in owners for row in rows}
        own = describe(importlib.import_module(f"{service}.settings").Settings)
        owners.append((service.removesuffix("_service"), [row for row in own if row.name not in met]))
    return owners


def _first_sentence(comment: str, name: str, stream: str) -> str:
    text = _joined(comment).removeprefix(name).strip()
    sentence = re.split(r"(?<=[.:])\s", text)[0].rstrip(".:")
    return f"{sentence}{' (a stream)' if stream else ''}"


def _split_status(text: str) -> tuple[str, str]:
    """The last sentence of a reason's comment is its gRPC status."""
    said, _, status = text.rstrip(".").rpartition(". ")
    return said, status


def _joined(comment: str) -> str:
    return " ".join(line.strip().removeprefix("//").strip() for line in comment.splitlines())


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def drawn(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _default(field: FieldInfo) -> str:
    """As it is written in TOML; nothing where leaving a key out says more than a value."""
    if field.is_required():
        return "required"
    value = field.get_default()
    return "" if value in (None, "", ()) or field.default_factory else f"`{json.dumps(value)}`"


def _pasted(text: str, *, language: str = "") -> str:
    return f"```{language}\n{text}```\n"
