"""What can be wrong with an installation? One function per question, from the machine up to the channels."""

import difflib
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc

from kit import addresses, certificates, credentials
from kit.command import account_health, accounts, channel_listening, model_health, reaching, services
from kit.command.database import check_database, is_elsewhere
from kit.command.directory import Directory
from kit.command.findings import Finding, broken, look, ok
from kit.command.ports import is_open, own
from kit.command.screen import Mistake
from kit.command.services import SERVICES
from kit.command.tenants import tenants
from kit.moments import utc_now
from kit.settings import SettingsError
from parley.storage.v1.directory_pb2 import AccountState
from parley.storage.v1.directory_service_pb2_grpc import DirectoryServiceStub
from parley.storage.v1.listener_service_pb2_grpc import ListenerServiceStub

OLDEST_PYTHON = (3, 11)
HEALTH_SECONDS = 3.0
START = "parley up"
API = "api"  # what programs say by HandleMessage
SETTINGS = "see .env.example, which names every setting with what it takes"


async def everything(**overrides: Any) -> list[Finding]:
    """All findings, in the order in which they should be mended."""
    settings, wrong = _settings(**overrides)
    found = [_python(), *wrong]
    if wrong:
        return found
    found += [*_starts(settings), *_certificates(settings["storage"]), _data_dir(settings["storage"])]
    found += model_health.check_file(settings["llm"])
    found += await check_database(settings["storage"])
    if _anybody_listens(settings):
        found += [await _health(name, each) for name, each in settings.items() if name != "gateway"]
        found += [await _gateway(settings["gateway"]), *await model_health.check_models(settings["llm"])]
        found += await channel_listening.findings()
        found += await _accounts(settings["storage"])
    else:
        found.append(look("mesh", "not running on this machine", fix=START))
    return [*found, *opt_out(settings["agent"]), *_channels(settings["gateway"]), _watching(settings["storage"])]


def _settings(**overrides: Any) -> tuple[dict[str, Any], list[Finding]]:
    """Of every service, and what is wrong with each, once."""
    good: dict[str, Any] = {}
    wrong: dict[str, Finding] = {}
    for service in SERVICES:
        try:
            good[service.name] = services.settings_of(service, **overrides)
            credentials.check(good[service.name])
        except SettingsError as error:
            wrong[str(error)] = broken("settings", str(error), fix=SETTINGS)
    return good, list(wrong.values())


def _starts(settings: Mapping[str, Any]) -> list[Finding]:
    """What a service refuses to start with, though each setting by itself is right."""
    wrong: dict[str, Finding] = {}
    for service in SERVICES:
        try:
            services.check_start(service, settings[service.name])
        except SettingsError as error:
            wrong[str(error)] = broken("settings", f"{service.name} refuses to start: {error}", fix=SETTINGS)
    return list(wrong.values()) or [ok("settings", "valid for all five services")]


def _certificates(settings: Any) -> list[Finding]:
    """Of the mesh, where it has some: whether those that are in the files will do, and for how long."""
    return [_term(each, utc_now()) for each in certificates.terms(settings)] if credentials.uses_tls(settings) else []


def _term(term: certificates.Term, now: datetime) -> Finding:
    file, until = f"the file of {term.setting}", f"until {certificates.shown(term.ends_at)}"
    if trouble := term.trouble(now):
        found, fix = (
            f"{file} {trouble}, so no service lets another in",
            "put another in its place, and look at the clock",
        )
        return broken("certificate", found, fix=f"{fix}; it is taken up within half a minute")
    if term.ends_soon(now):
        fix = "put another in its place; it is taken up within half a minute"
        return look("certificate", f"{file} is valid {until}; then no service lets another in", fix=fix)
    return ok("certificate", f"{file} is valid {until}")


def _python() -> Finding:
    version = sys.version.split()[0]
    if sys.version_info < OLDEST_PYTHON:
        return broken("python", f"{version} is too old", fix="install Python 3.11 or newer, then: make clean setup")
    return ok("python", version)


def _data_dir(settings: Any) -> Finding:
    """Looks, and makes nothing: the folder may be another user's to make."""
    folder = Path(settings.data_dir).resolve()
    shown = str(folder)
    nearest = next(each for each in (folder, *folder.parents) if each.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        if not _needs_a_folder(settings):
            return ok("data", f"{shown} cannot be written, and nothing is to be kept there")
        return broken("data", f"{shown} cannot be written by this user", fix="set DATA_DIR to a folder of this user")
    return ok("data", shown)


def _needs_a_folder(settings: Any) -> bool:
    """Whether something that is not set is made there: the mesh token, or what storage keeps."""
    token = bool(settings.mesh_token.get_secret_value()) or credentials.uses_tls(settings)
    stored = bool(settings.database_url and settings.secret_keys.get_secret_value())
    return not (token and (stored or is_elsewhere(settings)))


def _anybody_listens(settings: Mapping[str, Any]) -> bool:
    gateway = settings["gateway"]
    hosts = [(own(gateway.http_host), gateway.http_port)]
    for name in settings:
        address = addresses.parsed(getattr(settings["storage"], f"{name}_address", ""))
        hosts += [(own(address.host), address.port)] if address else []
    return any(is_open(host, port) for host, port in hosts)


async def _health(name: str, settings: Any) -> Finding:
    address = getattr(settings, f"{name}_address")
    try:
        async with reaching.channel(settings, name) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=HEALTH_SECONDS)
    except reaching.Away as away:
        return broken(name, f"{away} at {address}", fix=f"{START}, or on its own: parley serve {name}")
    except Mistake as mistake:
        return broken(name, f"{mistake} at {address}", fix=mistake.fix)
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        return broken(
            name, f"runs at {address} and is not ready", fix="its log says what it waits for, often the database"
        )
    return ok(name, f"serving at {address}")


async def _gateway(settings: Any) -> Finding:
    base = reaching.gateway_url(settings)
    try:
        async with reaching.web(base, timeout_seconds=HEALTH_SECONDS) as client:
            answer = await client.get(f"{base}/readyz", params={"verbose": "1"})
    except httpx.HTTPError:
        return broken("gateway", f"does not answer at {base}", fix=f"{START}, or on its own: parley serve gateway")
    if answer.status_code != httpx.codes.OK:
        said = " ".join(answer.text.split())[:200]
        return broken(
            "gateway", f"answers at {base} and is not ready: {said}", fix="mend what is named above, then wait 5 s"
        )
    return ok("gateway", f"ready at {base}")


def _watching(settings: Any) -> Finding:
    """Nobody must watch a laptop, so it is no fault not to."""
    own = (
        f"port {settings.metrics_port} of every service" if settings.metrics_port else "METRICS_PORT opens the others'"
    )
    return ok("metrics", f"/metrics at the gateway, {own}; alerts to watch with: deploy/prometheus/rules.yaml")


async def _accounts(settings: Any) -> list[Finding]:
    """Of every tenant, those that deserve a look; nothing of those that are well, or were removed."""
    try:
        async with reaching.channel(settings, "storage") as storage:
            stub = DirectoryServiceStub(storage)
            found = [
                each
                for tenant in await tenants(stub, seconds=HEALTH_SECONDS)
                for each in await Directory(tenant.id, stub, ListenerServiceStub(storage)).accounts()
            ]
    except Mistake:
        return []  # what is wrong with storage is said above
    taking_part = [each for each in found if each.state != AccountState.ACCOUNT_STATE_DISABLED]
    return [named for each in taking_part if (named := account_health.named(each)) is not None]


def opt_out(agent: Any) -> list[Finding]:
    """The agent knows no channels, and takes a misspelt one for one: a STOP there would be answered by the model."""
    known = [*accounts.channels(), API]
    strange = [name for name in agent.agent_opt_out_channels.split(",") if name and name not in known]
    near = [each for name in strange for each in difflib.get_close_matches(name, known, 1)]
    fix = f"did you mean {', '.join(near)}?" if near else f"the channels are {', '.join(sorted(known))}"
    said = f"AGENT_OPT_OUT_CHANNELS names no channel with {', '.join(strange)}: a STOP ends nothing there"
    return [look("opt-out", said, fix=fix)] if strange else []


def _channels(gateway: Any) -> list[Finding]:
    return [finding for name in sorted(accounts.channels()) for finding in channel(name, gateway)]


def channel(name: str, gateway: Any) -> list[Finding]:
    """A channel of which nothing is set is no finding: nobody wants it."""
    account = accounts.account(name)
    if not account.wanted:
        return []
    if account.missing:
        names = ", ".join(account.missing)
        return [
            broken(
                name, f"half set: {names} missing, so its webhooks are refused", fix=f"set {names}, or unset the rest"
            )
        ]
    if account.channel.provider == "twilio" and not gateway.public_base_url:
        text = "Twilio signs the URL that it was given, and PUBLIC_BASE_URL is not set"
        return [
            look(name, text, fix="set PUBLIC_BASE_URL to the gateway's public https:// address, as given to Twilio")
        ]
    return [ok(name, f"account {_masked(account.address)} is set")]


def _masked(address: str) -> str:
    return f"…{address[-4:]}" if len(address) > 6 else "of the bot"
