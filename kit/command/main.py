"""What can a person type after `parley`? Each command imports what it needs when it runs, so that help is instant."""

import gc
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from kit.command import interrupts
from kit.command.channels import channels
from kit.command.deliveries import deliveries
from kit.command.desk import queue
from kit.command.guard import guard
from kit.command.keys import keys
from kit.command.listen_options import Looking
from kit.command.models import models
from kit.command.options import AsJson, DataDir, Host, HttpPort, Tenant, Url, as_one
from kit.command.prompts import prompts
from kit.command.screen import Mistake, complain, say, typed, whole_output

SERVICE_NAMES = "storage, llm, agent, sender, gateway"

app = typer.Typer(
    name="parley",
    help="One conversational agent behind every chat channel.",
    epilog="Begin with: parley up",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(keys, name="keys")
app.add_typer(models, name="models")
app.add_typer(guard, name="guard")
app.add_typer(prompts, name="prompts")
app.add_typer(queue, name="queue")
app.add_typer(deliveries, name="deliveries")
app.add_typer(channels, name="channels")


def main() -> None:
    """The console command. A mistake of a person ends in one line and its fix."""
    try:
        with whole_output():
            app(typed(sys.argv[1:]), prog_name="parley")
    except Mistake as mistake:
        complain(mistake)
        sys.exit(mistake.code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if type(error).__name__ != "SettingsError":  # known by name: importing it would cost every command its start
            raise
        complain(Mistake(str(error)))
        sys.exit(2)


@app.command(
    epilog="Examples: parley up · parley up --http-port 9000 --data-dir /var/lib/parley · parley up --processes · "
    "parley up --sandbox"
)
def up(
    http_port: HttpPort = None,
    *,
    data_dir: DataDir = None,
    host: Host = None,
    processes: Annotated[
        bool, typer.Option("--processes", help="One process per service, restarted when it dies.")
    ] = False,
    sandbox: Annotated[
        bool,
        typer.Option("--sandbox", help="With stand-ins for the providers and a page of phones: no account needed."),
    ] = False,
) -> None:
    """Run the whole mesh: five services, the web chat and the API."""
    gc.disable()  # until kit.process.calm_collector
    from kit.command.up import up as run

    given = _given(http_port=http_port, data_dir=data_dir, http_host=host)
    sys.exit(run(processes=processes, sandboxed=sandbox, **given))


@app.command(epilog="Examples: parley serve storage · parley serve gateway --http-port 9000")
def serve(
    service: Annotated[str, typer.Argument(help=f"One of {SERVICE_NAMES}.")],
    http_port: HttpPort = None,
    *,
    data_dir: DataDir = None,
    host: Host = None,
    metrics_port: Annotated[int | None, typer.Option(help="Where /metrics is served. Default: METRICS_PORT")] = None,
    parent: Annotated[int | None, typer.Option(hidden=True, help="The process to end with.")] = None,
) -> None:
    """Run one service, as one process of a mesh. The same as python -m storage_service, and so on."""
    gc.disable()  # until kit.process.calm_collector
    from kit.command.serve import serve as run

    given = _given(http_port=http_port, data_dir=data_dir, http_host=host, metrics_port=metrics_port)
    run(service, parent=parent, **given)


@app.command(epilog="Example: parley chat")
def chat(url: Url = None) -> None:
    """Talk to the agent in the terminal, through the web chat of a running gateway."""
    from kit.command.chat import chat as run

    interrupts.run(run(url))


@app.command(epilog='Examples: parley send whatsapp "hello" · parley send telegram "hi" --sender 4711 --repeat 2')
def send(
    channel: Annotated[str, typer.Argument(help="The channel, for example whatsapp.")],
    text: Annotated[str, typer.Argument(help="What the person says.")],
    *,
    sender: Annotated[str | None, typer.Option(help="Who says it: the provider's id of the person.")] = None,
    account_key: Annotated[str | None, typer.Option(help="The account's part of the webhook's URL.")] = None,
    repeat: Annotated[int, typer.Option(min=1, help="Post the same webhook so often, as providers do.")] = 1,
    url: Url = None,
) -> None:
    """Post a correctly signed webhook at a running gateway, with the credentials of the environment."""
    from kit.command.send import Saying, run

    saying = Saying(channel=channel, text=text, sender=sender, account_key=account_key)
    sys.exit(interrupts.run(run(saying, url=url, repeat=repeat)))


@app.command(
    epilog="Examples: parley listen · parley listen --refused · parley listen 0199f3c2 --text · "
    "parley listen --replay 0199f3c2 · parley listen --page"
)
@as_one(Looking)
def listen(looking: Looking) -> None:
    """Show each webhook as it comes in, and why one was refused; take one in once more, or copy it as curl."""
    from kit.command.listen import listen as run

    sys.exit(interrupts.run(run(looking)))


@app.command(
    epilog="Examples: parley sandbox · parley sandbox --port 9090 --url http://localhost:9000. "
    "With a mesh of its own: parley up --sandbox"
)
def sandbox(
    port: Annotated[int | None, typer.Option(help="Where it is found. Default: SANDBOX_PORT, else 8090")] = None,
    url: Url = None,
) -> None:
    """Stand in for the providers, with a page of phones, for a mesh that runs elsewhere on this machine."""
    from kit.command.sandbox import run

    interrupts.run(run(url, port=port))


@app.command(epilog="Examples: parley doctor · parley doctor --json. Exit code: 0 all well, 1 look at it, 2 broken.")
def doctor(data_dir: DataDir = None, json: AsJson = False) -> None:
    """Say what is wrong with this installation, and how to mend it."""
    from kit.command.doctor import doctor as run

    sys.exit(interrupts.run(run(as_json=json, **_given(data_dir=data_dir))))


@app.command()
def migrate(data_dir: DataDir = None) -> None:
    """Bring the database to the shape that this version needs. Older services that run keep working."""
    from kit.command.database import migrate as run

    interrupts.run(run(**_given(data_dir=data_dir)))


@app.command(epilog="Example: cp backup.db data/parley.db; parley restored; parley up")
def restored(data_dir: DataDir = None) -> None:
    """After a backup came back: end what was open in it, so that nobody is answered a second time."""
    from kit.command.database import restored as run

    interrupts.run(run(**_given(data_dir=data_dir)))


@app.command(epilog="Example: DATABASE_URL=postgresql://user:password@host/name parley move data/parley.db")
def move(
    file: Annotated[Path, typer.Argument(help="The SQLite file of a mesh; it stays as it is.")],
    data_dir: DataDir = None,
) -> None:
    """Copy all that an SQLite file holds into the empty Postgres of DATABASE_URL, while nothing runs."""
    from kit.command.moving import move as run

    interrupts.run(run(file, **_given(data_dir=data_dir)))


@app.command(epilog="Examples: parley turns · parley turns --state failed")
def turns(
    state: Annotated[
        str | None, typer.Option(help="waiting, running, replied, handed_off, suppressed or failed.")
    ] = None,
    *,
    tenant: Tenant = "default",
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
    json: AsJson = False,
) -> None:
    """List turns: those that are open, longest waiting first; or those that ended in a state, newest first."""
    from kit.command import records

    interrupts.run(records.turns(tenant, state=state, limit=limit, as_json=json))


@app.command(epilog='Examples: parley preview 0199f3c2-… · parley preview 0199f3c2-… --ask "and tomorrow?"')
def preview(
    conversation: Annotated[str, typer.Argument(help="Its id, as parley turns and parley queue list it.")],
    *,
    ask: Annotated[str | None, typer.Option(help="Something to answer, in the place of what waits.")] = None,
    model: Annotated[str | None, typer.Option(help="The model, in the place of the conversation's.")] = None,
    tenant: Tenant = "default",
) -> None:
    """Show what the model would be sent for a conversation: each part with its tokens, and what is left out."""
    from kit.command.preview import preview as run

    interrupts.run(run(tenant, conversation, ask=ask, model=model))


@app.command()
def version() -> None:
    """Show the version of parley and of Python."""
    _tell_version(wanted=True)


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=lambda wanted: _tell_version(wanted=wanted),
            is_eager=True,
            help="The same as parley version.",
        ),
    ] = False,
) -> None:
    """One conversational agent behind every chat channel."""


def _tell_version(*, wanted: bool) -> None:
    from importlib.metadata import version as installed

    if wanted:
        say(f"parley {installed('parley')} on Python {sys.version.split()[0]}")
        raise typer.Exit


def _given(**options: Any) -> dict[str, Any]:
    """The options that were given; the others are left to the settings."""
    return {name: value for name, value in options.items() if value is not None}
