"""Which services make the mesh, and how are they reached by name? The only place in kit that knows them."""

import importlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from kit.command.screen import Mistake
from kit.command.settings import heed
from kit.lifetime import Lifetime
from kit.settings import Settings, load

Serve = Callable[[Any, Lifetime], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Service:
    """One of the five."""

    name: str
    package: str
    deed: str
    leaves: int  # drains in this order, against the arrows: who calls others ends before those that it calls


SERVICES = (
    Service("storage", "storage_service", "keeps what must not be lost", leaves=3),
    Service("llm", "llm_service", "asks models", leaves=2),
    Service("agent", "agent_service", "decides what to say", leaves=1),
    Service("sender", "sender_service", "says it", leaves=1),
    Service("gateway", "gateway", "takes webhooks and serves the web chat", leaves=0),
)


def named(name: str) -> Service:
    """The service of that name, also by the name of its package."""
    for service in SERVICES:
        if name in (service.name, service.package):
            return service
    raise Mistake(f"there is no service {name!r}", fix=f"one of: {', '.join(each.name for each in SERVICES)}")


def settings_of(service: Service, **overrides: Any) -> Any:
    """Reads the service's settings; what the command line says wins, where the service has such a setting."""
    wanted: type[Settings] = importlib.import_module(f"{service.package}.settings").Settings
    given = {name: value for name, value in overrides.items() if value is not None and name in wanted.model_fields}
    found = load(wanted, **given)
    heed(found)
    return found


def settings_class(service: Service) -> type[Settings]:
    """The class, for what runs it by itself."""
    found: type[Settings] = importlib.import_module(f"{service.package}.settings").Settings
    return found


def check_start(service: Service, settings: Any) -> None:
    """Raises SettingsError where it would not start with these, right as each by itself may be. Makes nothing."""
    check = getattr(importlib.import_module(f"{service.package}.__main__"), "check", None)
    if check:
        check(settings)


def serve_of(service: Service) -> Serve:
    """The coroutine that constructs the service and runs it until its lifetime ends."""
    serve: Serve = importlib.import_module(f"{service.package}.__main__").serve
    return serve
