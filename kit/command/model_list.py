"""What does `parley models` show? Every model with its state and terms, the default, and why it is the default."""

from kit.command import model_calls
from kit.command.screen import document, say, table
from kit.errors import kind_of
from kit.moments import seconds
from parley.llm.v1.model_pb2 import ListModelsResponse, Model, ModelState

COLUMNS = (
    *("default", "model", "backend", "state", "window", "in/1M", "out/1M"),
    *("fallbacks", "chars/token", "calls", "waiting"),
)
STATES = {
    ModelState.MODEL_STATE_READY: "ready",
    ModelState.MODEL_STATE_UNREACHABLE: "unreachable",
    ModelState.MODEL_STATE_PAUSED: "paused",
    ModelState.MODEL_STATE_PROBED: "being probed",
    ModelState.MODEL_STATE_MISSING: "missing",
    ModelState.MODEL_STATE_REFUSED: "key refused",
    ModelState.MODEL_STATE_RESTING: "resting",
}


async def listing(*, as_json: bool) -> None:
    """A table and the note for a person, one document for a program."""
    async with model_calls.service() as llm:
        found = await model_calls.listed(llm)
    if as_json:
        document(_document(found))
        return
    table(COLUMNS, [_row(each, found) for each in found.models])
    if found.default_model and not any(_is_default(each, found) for each in found.models):
        say(f"The default is {found.default_model} at {found.default_backend}, which is not among these.", "yellow")
    if found.note:
        say(found.note)


def state(model: Model) -> str:
    """In words; of one that is left alone, when it is tried again, and of one that is asked, how it last failed."""
    word = STATES.get(model.state, "unknown")
    if not model.HasField("paused_for"):
        return f"{word}, last call: {reason(model)}" if is_failing(model) else word
    left = round(seconds(model.paused_for))
    return f"{word}, again in {left} s" if left else f"{word}, again with the next call"


def is_failing(model: Model) -> bool:
    """Whether it is asked, and its last call failed."""
    return model.state == ModelState.MODEL_STATE_READY and model.HasField("last_failure")


def reason(model: Model) -> str:
    """Why its last call failed, in one word."""
    return kind_of(model.last_failure.reason)().name


def _row(model: Model, found: ListModelsResponse) -> tuple[str, ...]:
    return (
        "*" if _is_default(model, found) else "",
        model.name,
        model.backend,
        state(model),
        str(model.window_tokens),
        _price(model.input_price_micros),
        _price(model.output_price_micros),
        ", ".join(model.fallbacks),
        f"{model.characters_per_token:.1f}",
        str(model.calls_under_way),
        str(model.calls_waiting),
    )


def _document(found: ListModelsResponse) -> dict[str, object]:
    return {
        "default_model": found.default_model,
        "default_backend": found.default_backend,
        "note": found.note,
        "models": [
            {
                "name": each.name,
                "backend": each.backend,
                "default": _is_default(each, found),
                "state": STATES.get(each.state, "unknown").replace(" ", "_"),
                "paused_seconds": seconds(each.paused_for) if each.HasField("paused_for") else None,
                "last_failure": reason(each) if each.HasField("last_failure") else None,
                "window_tokens": each.window_tokens,
                "input_price": each.input_price_micros / 1_000_000,
                "output_price": each.output_price_micros / 1_000_000,
                "fallbacks": list(each.fallbacks),
                "characters_per_token": each.characters_per_token,
                "calls_under_way": each.calls_under_way,
                "calls_waiting": each.calls_waiting,
            }
            for each in found.models
        ],
    }


def _is_default(model: Model, found: ListModelsResponse) -> bool:
    return (model.name, model.backend) == (found.default_model, found.default_backend)


def _price(micros: int) -> str:
    """In the currency of models.toml; nothing for none."""
    return f"{micros / 1_000_000:.6f}".rstrip("0").rstrip(".") if micros else ""
