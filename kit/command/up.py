"""What does `parley up` do? Checks ports and models.toml, runs the mesh, says where it is and which model answers."""

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import uvloop

from kit import addresses, credentials, logs, open_files, process, tracing
from kit.command import mesh, model_health, reaching, sandbox, services
from kit.command.ports import Port, require_free
from kit.command.screen import Mistake, say
from kit.command.services import SERVICES
from kit.command.settings import lend

READY_SECONDS = 60.0
ALONE = ("localhost", "127.0.0.1", "::1")
OPTIONS = {"http_port": "--http-port", "http_host": "--host", "data_dir": "--data-dir"}


def up(*, processes: bool, sandboxed: bool = False, **overrides: Any) -> int:
    """Runs until it is told to stop; returns the exit code."""
    began = time.monotonic()
    beside = sandbox.lent(overrides) if sandboxed else None
    overrides |= {"data_dir": beside.data_dir} if beside else {}
    let_webhooks_be_seen(overrides)
    settings = {each.name: services.settings_of(each, **overrides) for each in SERVICES}
    if not settings["gateway"].http_port:
        raise Mistake("parley up needs a port that is known before", fix="set HTTP_PORT, or --http-port, and not to 0")
    require_free([*_ports(settings), *([beside.port] if beside else [])])
    model_health.require_file(settings["llm"])
    credentials.make_data_dir(settings["storage"])
    _banner(settings, processes=processes, beside=beside)

    async def when_ready() -> None:
        await _say_when_ready(settings["gateway"], began)

    logs.configure(settings["gateway"], "mesh")
    tracing.configure(
        settings["gateway"].otel_exporter_otlp_endpoint, "parley", sampled=settings["gateway"].otel_traces_sampler_arg
    )
    if processes:
        process.calm_collector()
        return uvloop.run(_beside(beside, mesh.run_apart(_options(settings, overrides), when_ready)))
    for each in SERVICES:
        services.serve_of(each)  # imports it, before the collector forgets what there is
    process.calm_collector()
    open_files.ask_for_many()
    return uvloop.run(_beside(beside, mesh.run_here(settings, when_ready)))


def let_webhooks_be_seen(overrides: dict[str, Any]) -> None:
    """On a laptop the inspector is on: only this machine reaches the gateway, or a tunnel, which lacks the token."""
    gateway = services.settings_of(services.named("gateway"), **overrides)
    alone = gateway.http_host in ALONE and credentials.has_mesh_token(gateway)
    if gateway.webhook_inspector == "auto" and alone:
        lend({"WEBHOOK_INSPECTOR": "on"})


async def _beside(sandboxed: sandbox.Lent | None, running: Coroutine[Any, Any, int]) -> int:
    """The stand-ins come first and go last: what is under way when the mesh drains still finds its provider."""
    async with sandboxed.opened() if sandboxed else contextlib.nullcontext():
        return await running


def _options(settings: dict[str, Any], overrides: dict[str, Any]) -> dict[str, list[str]]:
    """What each process is told: our own options, and a port of its own for metrics when there is one."""
    given = [f"{OPTIONS[name]}={value}" for name, value in overrides.items()]
    first = settings["gateway"].metrics_port
    ports = {each.name: [f"--metrics-port={first + n}"] if first else [] for n, each in enumerate(SERVICES)}
    return {name: [*given, *port] for name, port in ports.items()}


def _ports(settings: dict[str, Any]) -> list[Port]:
    gateway = settings["gateway"]
    found = [Port(gateway.http_host, gateway.http_port, "web", f"--http-port {addresses.near(gateway.http_port)}")]
    for service in SERVICES:
        if address := addresses.parsed(getattr(settings[service.name], f"{service.name}_address", "")):
            elsewhere = addresses.Address(address.host, addresses.near(address.port, 10))
            move = f"{service.name.upper()}_ADDRESS={elsewhere}"
            found.append(Port(address.host, address.port, f"{service.name} service", move))
    return found


def _banner(settings: dict[str, Any], *, processes: bool, beside: sandbox.Lent | None) -> None:
    gateway, storage = settings["gateway"], settings["storage"]
    base, inspected = reaching.gateway_url(gateway), gateway.webhook_inspector == "on"
    say("Parley", "bold")
    for name, value in (
        *([("sandbox", f"{beside.page}: a phone for each channel, no provider is called")] if beside else []),
        ("web chat", base),
        ("console", f"{base}/console: for who answers in the agent's place"),
        ("API", f"{base}/docs"),
        ("webhooks", f"{base}/webhook/<channel>"),
        *([("inspect", "parley listen: each webhook as it comes, and why it is refused")] if inspected else []),
        ("data", str(Path(storage.data_dir).resolve())),
        ("runs as", "five processes" if processes else "one process (--processes for five)"),
    ):
        say(f"  {name:<9} {value}")


async def _say_when_ready(gateway: Any, began: float) -> None:
    base = reaching.gateway_url(gateway)
    while not await reaching.answers(f"{base}/readyz"):
        if time.monotonic() - began > READY_SECONDS:
            say("  still not ready; ask: parley doctor", "yellow")
            return
        await asyncio.sleep(0.05)
    with contextlib.suppress(Mistake):  # a greeting must not end the mesh
        say(f"  {'model':<9} {await reaching.model_found(gateway)}")
    say(f"  {'ready':<9} after {time.monotonic() - began:.1f} s; Ctrl-C ends it", "green")
