"""How does a service become a process? Settings, logs, traces, the loop, signals, metrics; then serve until told."""

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

from kit import logs, open_files, settings, tracing
from kit.lifetime import Lifetime
from kit.monitoring import Monitoring
from kit.settings import Settings, SettingsError

AnySettings = TypeVar("AnySettings", bound=Settings)
Serve = Callable[[AnySettings, Lifetime], Coroutine[Any, Any, None]]

WRONG_SETTING = 2
# Objects made before the collector looks: calls come and go by reference count, and looking cost one part in fourteen.
YOUNG_OBJECTS = 50_000


def alone(service: str, settings_class: type[AnySettings], *, serve: Serve[AnySettings]) -> None:
    """What `python -m` runs, which takes its settings from the environment: what is typed after it would be ignored."""
    if sys.argv[1:]:
        refuse(service, f"python -m takes no options: set the environment, or parley serve {service}, which has some")
    run(service, settings_class, serve=serve)


def run(service: str, settings_class: type[AnySettings], *, serve: Serve[AnySettings], **overrides: Any) -> None:
    """The whole life of a process with one service. A wrong setting, or a taken port, is one line and exit code 2."""
    try:
        loaded = settings.load(settings_class, **overrides)
        logs.configure(loaded, service)
        tracing.configure(loaded.otel_exporter_otlp_endpoint, service, sampled=loaded.otel_traces_sampler_arg)
        calm_collector()
        open_files.ask_for_many()
        with asyncio.Runner(loop_factory=fastest_loop()) as runner:
            runner.run(_serve(service, loaded, serve=serve))
    except SettingsError as wrong:
        refuse(service, str(wrong))
    finally:
        tracing.close()


def refuse(service: str, why: str) -> NoReturn:
    """Ends the process with one line."""
    print(f"parley {service}: {why}", file=sys.stderr)
    raise SystemExit(WRONG_SETTING)


def calm_collector() -> None:
    """Has the garbage collector look seldom, and never at what was imported. Whoever imports much before has it off
    meanwhile: what is imported stays, and looking at it again and again is a fifth of the time."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
    gc.enable()


def fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where there is one."""
    try:
        import uvloop
    except ImportError:  # Windows
        return None
    return uvloop.new_event_loop


def stop_on_signals(lifetime: Lifetime) -> None:
    """SIGTERM and SIGINT ask for a drain. Without this asyncio would drop every call that is under way."""
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, lifetime.stop)


async def _serve(service: str, loaded: AnySettings, *, serve: Serve[AnySettings]) -> None:
    lifetime = Lifetime()
    stop_on_signals(lifetime)
    monitoring = Monitoring(lifetime, service)
    await monitoring.start(loaded.metrics_host, loaded.metrics_port)
    try:
        await serve(loaded, lifetime)
    finally:
        await monitoring.close()
