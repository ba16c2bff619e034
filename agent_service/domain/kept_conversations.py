"""Does a conversation that the model's server keeps go on? Not once it holds what the person was never told, or lacks
what they said."""

from parley.llm.v1.completion_pb2 import Completion
from parley.storage.v1.turn_requests_pb2 import LeasedTurn

# The longest name that the contract keeps.
MOST_OF_A_NAME = 256
# No server's: with the next prompt another conversation begins, from what was really said. See Prompt in the contract.
FORGOTTEN = "none/"


def name(completion: Completion) -> str:
    """What the server calls the conversation. A name that storage would refuse would take the answer with it."""
    found = completion.model_conversation
    return found if len(found) <= MOST_OF_A_NAME and found.isprintable() else ""


def unsaid(completion: Completion) -> str:
    """After an answer that is withheld, or a call that nobody gives the server the output of."""
    return FORGOTTEN if completion.model_conversation else ""


def unheard(turn: LeasedTurn) -> str:
    """After an answer without the model: with the next prompt it would be taken to know all that was said before it."""
    return FORGOTTEN if turn.setting.model_conversation else ""
