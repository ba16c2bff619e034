"""Does what is said of a failed call fit what there is to ask?"""

import pytest

from kit.command.model_calls import Asked, mistake
from kit.errors import ModelUnavailable, ModelUnknown, ParleyError
from parley.llm.v1.model_pb2 import ListModelsResponse, Model

ECHO = Model(name="echo", backend="echo")
SMALL = Model(name="small:latest", backend="ollama")
NOTE = "No model server answers at http://127.0.0.1:11434, so echo answers. Start Ollama (`ollama serve`)."
START = "start its server, or correct its address: parley models says which one does not answer"


@pytest.mark.parametrize(
    ("name", "models", "error", "fix"),
    [
        ("nope", (ECHO,), ModelUnavailable(), NOTE),
        ("nope", (), ModelUnavailable(), NOTE),
        ("nope", (SMALL, ECHO), ModelUnavailable(), START),
        ("small", (SMALL, ECHO), ModelUnavailable(), START),
        ("smal", (SMALL, ECHO), ModelUnavailable(), "did you mean small? All that there are: parley models"),
        ("nope", (SMALL, ECHO), ModelUnknown(), "one of: small:latest, echo"),
        ("nope", (ECHO,), ModelUnknown(), "one of: echo"),
    ],
)
def test_the_advice_leads_to_something(name: str, models: tuple[Model, ...], error: ParleyError, fix: str) -> None:
    found = ListModelsResponse(models=models, default_model="echo", default_backend="echo", note=NOTE)

    assert mistake(Asked(name), error, found=found).fix == fix
