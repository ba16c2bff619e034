"""Does a conversation that the model's server keeps end where it lacks what the person said?"""

import pytest

from kit.errors import ModelUnavailable
from parley.storage.v1.manners_pb2 import Manners
from tests.unit.agent.telling import Models, a_turn, told

KEPT = "stored/conv_1"
SPENT = Manners(turns_per_hour=1)


@pytest.mark.parametrize("before", [KEPT, ""], ids=["one is kept", "none is"])
async def test_after_an_answer_without_the_model_another_conversation_begins(before: str) -> None:
    """With what was said: the next prompt holds what is new since the agent's last word, whoever thought of that."""
    away = Models(ModelUnavailable())
    endings = [
        await told(a_turn("My order is 4711. I want to talk to a person.", model_conversation=before)),
        await told(a_turn("/human", model_conversation=before)),
        await told(a_turn("My order is 4711.", model_conversation=before, turns_in_hour=2, manners=SPENT)),
        await told(a_turn("My order is 4711.", model_conversation=before), away),
    ]

    assert [ending.model_conversation for ending in endings] == ["none/" if before else ""] * 4


async def test_a_command_that_leaves_nothing_to_the_model_ends_none() -> None:
    assert (await told(a_turn("/help", model_conversation=KEPT))).model_conversation == ""
