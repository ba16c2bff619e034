"""What does `parley models test` do? Asks a model once, shows its answer as it comes, and what the answer took."""

import sys
import time
from collections.abc import AsyncIterable, Iterator
from dataclasses import dataclass

from kit import errors
from kit.command import model_calls
from kit.command.model_calls import Asked
from kit.command.screen import Mistake, printable, say
from kit.moments import seconds
from parley.chat.v1.message_pb2 import Role
from parley.llm.v1.completion_pb2 import Completion, FinishReason
from parley.llm.v1.llm_service_pb2 import GenerateStreamRequest, GenerateStreamResponse
from parley.llm.v1.prompt_pb2 import Prompt, PromptMessage

TENANT = "default"


@dataclass(frozen=True, slots=True)
class Trial:
    """What is asked of whom, and how long it may take."""

    model: str
    text: str
    seconds: float


async def run(trial: Trial) -> None:
    """A failure is raised as one line with its fix."""
    prompt = Prompt(model=trial.model, messages=[PromptMessage(role=Role.ROLE_CONTACT, text=trial.text)])
    began = time.monotonic()
    async with model_calls.service(Asked(trial.model)) as llm:
        pieces = llm.GenerateStream(GenerateStreamRequest(tenant_id=TENANT, prompt=prompt), timeout=trial.seconds)
        completion = await _heard(pieces)
    _report(completion, took=time.monotonic() - began)


async def _heard(pieces: AsyncIterable[GenerateStreamResponse]) -> Completion:
    """Shows the text; a line that was begun is ended, also when the answer breaks off."""
    said = False
    try:
        async for piece in pieces:
            if piece.WhichOneof("part") == "completed":
                return piece.completed
            sys.stdout.write(printable(piece.delta))
            sys.stdout.flush()
            said = True
    finally:
        if said:
            sys.stdout.write("\n")
    raise Mistake("the answer ended before it was done", fix="parley doctor", code=1)


def _report(completion: Completion, *, took: float) -> None:
    say()
    for name, value in _facts(completion, took):
        say(f"  {name:<11} {value}", "yellow" if name == "passed over" else "")


def _facts(completion: Completion, took: float) -> Iterator[tuple[str, str]]:
    yield "model", f"{completion.model} at {completion.backend}"
    for passed in completion.passed_over:
        why = errors.from_item(passed.failure)
        yield "passed over", f"{passed.model} at {passed.backend}: {why.message} ({why.name})"
    yield "finish", FinishReason.Name(completion.finish_reason).removeprefix("FINISH_REASON_").lower()
    yield "attempts", str(completion.attempts)
    yield "tokens", f"{_tokens(completion.input_tokens)} read, {_tokens(completion.output_tokens)} written"
    if completion.HasField("time_to_first_text"):
        yield "first text", f"after {seconds(completion.time_to_first_text):.2f} s"
    yield "total", f"{took:.2f} s, {seconds(completion.model_time):.2f} s of it with model servers"
    if completion.output_tokens and (spent := seconds(completion.model_time)):
        yield "speed", f"{completion.output_tokens / spent:.1f} tokens/s"
    if completion.cost_micros:
        yield "cost", f"{completion.cost_micros / 1_000_000:.6f} by the prices of models.toml"


def _tokens(number: int) -> str:
    return str(number) if number else "an unknown number"
