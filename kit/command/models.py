"""What can a person type after `parley models`? Lists the models, has one fetched, and tries one out."""

from typing import Annotated

import typer

from kit.command import interrupts
from kit.command.options import AsJson

A_QUESTION = "Say hello in one short sentence."

models = typer.Typer(
    help="List the models; or fetch one (pull), or try one out (test).",
    epilog="Examples: parley models · parley models --json · parley models pull llama3.2 · parley models test llama3.2",
)


@models.callback(invoke_without_command=True)
def listing(context: typer.Context, json: AsJson = False) -> None:
    """List the models with their state, price and fallbacks; or fetch one, or try one out."""
    if context.invoked_subcommand is None:
        from kit.command.model_list import listing as run

        interrupts.run(run(as_json=json))


@models.command(epilog="Examples: parley models pull llama3.2 · parley models pull qwen3:8b --backend workshop")
def pull(
    name: Annotated[str, typer.Argument(help="The model, as Ollama knows it, for example llama3.2.")],
    backend: Annotated[str, typer.Option(help="Which backend fetches it. Default: the first.")] = "",
) -> None:
    """Have Ollama fetch a model, and show how far it is. Ctrl-C ends it; what is complete stays."""
    from kit.command.model_pull import pull as run

    interrupts.run(run(name, backend))


@models.command(
    "test",
    epilog='Examples: parley models test · parley models test llama3.2 --text "Who are you?" --timeout 120. '
    "Exit code: 0 when the model, or one of its fallbacks, answered.",
)
def try_out(
    name: Annotated[str, typer.Argument(help="The model; the default when left out.")] = "",
    *,
    text: Annotated[str, typer.Option(help="What it is asked.")] = A_QUESTION,
    timeout: Annotated[float, typer.Option(min=1, max=600, help="Seconds for all of it, fallbacks included.")] = 30,
) -> None:
    """Ask a model once: its answer as it comes, then how long it took and what it cost."""
    from kit.command.model_trial import Trial, run

    interrupts.run(run(Trial(name, text, timeout)))
