"""Constructs the agent service and runs it: `python -m agent_service`."""

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from agent_service.backends import texts_file
from agent_service.backends.contexts import Contexts
from agent_service.backends.directory import Accounts, Agents
from agent_service.backends.inbox import Habits, Inbox
from agent_service.backends.lingua_detector import Lingua
from agent_service.backends.llm import Llm
from agent_service.backends.plugin_judge import PluginJudge
from agent_service.backends.rule_files import rules
from agent_service.domain.door import Door
from agent_service.domain.guard.checks import Checks
from agent_service.domain.guard.engine import Engine
from agent_service.domain.guard.guard import Guard
from agent_service.domain.guard.judge import Judge, ModelJudge, NoJudge
from agent_service.domain.guard.rulebook import RulesError
from agent_service.domain.guard.violations import Violations
from agent_service.domain.languages import Builtin
from agent_service.domain.previews import Previews
from agent_service.domain.progress import Progress
from agent_service.domain.turn import Rules, Story
from agent_service.domain.worker import Terms, Worker
from agent_service.server import AgentServer
from agent_service.settings import Settings
from kit import plugins, process
from kit.api_keys import AskedKeys
from kit.calling import Mesh
from kit.ids import new_id
from kit.lifetime import Lifetime
from kit.moments import utc_now
from kit.serving import Server
from kit.settings import SettingsError
from parley.agent.v1 import agent_service_pb2_grpc as rpc

SERVICE = "parley.agent.v1.AgentService"


async def serve(settings: Settings, lifetime: Lifetime) -> None:
    """Answers turns and calls until the process is told to stop."""
    engine = await asyncio.to_thread(_engine, settings)
    mesh = Mesh(settings)
    await mesh.open()
    storage = mesh.channel("storage")
    inbox, model = Inbox(storage, _habits(settings)), Llm(mesh.channel("llm"))
    server = Server(service="agent", address=settings.agent_address, settings=settings, keys=AskedKeys(storage))
    door = Door(inbox, Accounts(storage), now=utc_now)
    guard = _guard(settings, engine, judge=_judge(settings, mesh, model=model))
    story = Story(model, _rules(settings), now=utc_now, guard=guard, progress=Progress(model.stream, inbox.share))
    previews = Previews(Agents(storage), Contexts(storage, history=settings.agent_history), story=story)
    front = AgentServer(door, previews, checks=Checks(engine, clock=time.perf_counter))
    server.add(rpc.add_AgentServiceServicer_to_server, front, service=SERVICE)
    await server.start()
    fresh = asyncio.create_task(model.keep_fresh())
    server.set_serving(True)
    lifetime.ready("agent")
    try:
        worker = Worker(inbox, story, terms=_terms(settings))
        # Callers of the door wait for turns that this process may hold: both end within the same grace.
        await asyncio.gather(
            worker.run(lifetime.stopping), _drained(server, lifetime, grace_seconds=settings.agent_drain_seconds)
        )
    finally:
        fresh.cancel()
        await asyncio.gather(fresh, return_exceptions=True)
        await model.close()
        await inbox.close()
        await mesh.close()


def check(settings: Settings) -> None:
    """Raises SettingsError where the agent would not start with these. Makes nothing."""
    if settings.guard_rules_file:  # ours take seconds to be compiled, and are tested
        _engine(settings)
    _rules(settings)
    if settings.guard_judge == "plugin":
        with _of_the_plug_in():
            plugins.require_own(settings.guard_judge_token, settings)
            plugins.read_ca(settings.guard_judge_tls_ca)


async def _drained(server: Server, lifetime: Lifetime, *, grace_seconds: float) -> None:
    await lifetime.wait_stopping()
    await server.drain(grace_seconds)


def _habits(settings: Settings) -> Habits:
    return Habits(
        worker_id=f"agent-{new_id()}",
        lease=timedelta(seconds=settings.agent_lease_seconds),
        wait=timedelta(seconds=settings.agent_poll_seconds),
        history=settings.agent_history,
    )


def _engine(settings: Settings) -> Engine:
    try:
        return Engine(rules(settings.guard_rules_file))
    except RulesError as error:
        raise SettingsError(str(error)) from None


def _judge(settings: Settings, mesh: Mesh, *, model: Llm) -> Judge:
    if settings.guard_judge == "plugin":
        address, token, ca = settings.guard_judge_address, settings.guard_judge_token, settings.guard_judge_tls_ca
        with _of_the_plug_in():
            return PluginJudge(mesh.plugin(address, token=token, ca=ca))
    return ModelJudge(model) if settings.guard_judge == "model" else NoJudge()


@contextmanager
def _of_the_plug_in() -> Iterator[None]:
    try:
        yield
    except SettingsError as error:
        raise SettingsError(f"GUARD_JUDGE=plugin: {error}") from None


def _guard(settings: Settings, engine: Engine, *, judge: Judge) -> Guard:
    return Guard(engine, Violations(now=utc_now), judge=judge, judge_seconds=settings.guard_judge_seconds)


def _rules(settings: Settings) -> Rules:
    return Rules(
        settings.llm_timeout_seconds,
        settings.agent_reserve_tokens,
        settings.fallback_text,
        detector=Lingua() if settings.agent_languages == "lingua" else Builtin(),
        opt_out_channels=frozenset(filter(None, settings.agent_opt_out_channels.split(","))),
        offers_hand_off=settings.agent_hand_off_tool,
        texts=texts_file.read(settings.agent_texts_file),
    )


def _terms(settings: Settings) -> Terms:
    return Terms(
        slots=settings.agent_concurrency,
        lease=timedelta(seconds=settings.agent_lease_seconds),
        drain_seconds=settings.agent_drain_seconds,
        random=random.random,
        now=utc_now,
    )


def main() -> None:
    process.alone("agent", Settings, serve=serve)


if __name__ == "__main__":
    main()
