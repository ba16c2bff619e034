"""What is a turn in the making, and how did it end?"""

from dataclasses import dataclass, field
from datetime import timedelta

from agent_service.domain.texts import Texts
from kit.moments import seconds, span
from parley.chat.v1.message_pb2 import TurnState
from parley.llm.v1.completion_pb2 import Completion
from parley.llm.v1.llm_service_pb2 import GenerateRequest, GenerateResponse
from parley.storage.v1.conversation_change_pb2 import ConversationChange
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, Usage

REPLIED, HANDED_OFF, FAILED, SUPPRESSED = (
    TurnState.TURN_STATE_REPLIED,
    TurnState.TURN_STATE_HANDED_OFF,
    TurnState.TURN_STATE_FAILED,
    TurnState.TURN_STATE_SUPPRESSED,
)
# The most replies of one turn that the contract takes.
MOST_REPLIES = 16
# The longest names that the contract keeps. vLLM and llama.cpp's server call a model by its path, whose end tells most.
MOST_OF_A_MODEL, MOST_OF_A_BACKEND = 128, 64


@dataclass(frozen=True, slots=True)
class Ending:
    """How a turn ended."""

    state: TurnState
    reason: str = ""
    replies: tuple[str, ...] = ()
    usage: Usage = field(default_factory=Usage)
    model_conversation: str = ""
    change: ConversationChange | None = None
    wants_summary: bool = False
    summary: str = ""
    summary_seq: int = 0  # the last place that it covers; 0: all that came with the turn
    try_again: timedelta | None = None  # after so long the same is asked once more


@dataclass(slots=True)
class Draft:
    """A turn in the making: each step adds what the next one needs.

    `turn` is what is left for the model: commands are taken out of it, and what they change is done to it.
    """

    turn: LeasedTurn
    request: GenerateRequest = field(default_factory=GenerateRequest)
    answer: GenerateResponse = field(default_factory=GenerateResponse)
    said: list[str] = field(default_factory=list)
    change: ConversationChange = field(default_factory=ConversationChange)
    wants_summary: bool = False
    restricted: bool = False  # its model may use no tools
    texts: Texts = field(default_factory=Texts)
    judged: Usage = field(default_factory=Usage)  # what the guard's judge took, beside the answer

    @property
    def language(self) -> str:
        """What the contact is answered in. Empty when it is not known."""
        return self.change.language.code if self.change.HasField("language") else self.turn.setting.language.code

    def say(self, name: str, /, **values: str) -> str:
        """What the agent says by itself, in the language of the contact."""
        return self.texts.say(name, self.language, **values)

    def ended(self, ending: Ending) -> Ending:
        """The ending, together with what was said and changed on the way to it. Whose commands were answered was
        replied to, whatever became of the rest; the reason tells that."""
        state = REPLIED if self.said and ending.state == SUPPRESSED else ending.state
        change = ConversationChange()
        change.MergeFrom(self.change)
        if ending.change is not None:
            change.MergeFrom(ending.change)
        return Ending(
            state,
            ending.reason,
            (*self.said, *ending.replies)[:MOST_REPLIES],
            _together(ending.usage, self.judged),
            ending.model_conversation,
            change if change.ByteSize() else None,
            ending.wants_summary or self.wants_summary,
            ending.summary,
            ending.summary_seq,
            ending.try_again,
        )


def took(completion: Completion) -> Usage:
    """What the turn took. Without prices in models.toml it costs nothing."""
    return Usage(
        model="" if completion.fallback else completion.model[-MOST_OF_A_MODEL:],
        backend="" if completion.fallback else completion.backend[:MOST_OF_A_BACKEND],
        input_tokens=completion.input_tokens,
        output_tokens=completion.output_tokens,
        model_time=completion.model_time,
        cost_micros=completion.cost_micros,
    )


def _together(answer: Usage, judged: Usage) -> Usage:
    """The model is the one that answered."""
    if not judged.ByteSize():
        return answer
    both = Usage(model=answer.model, backend=answer.backend)
    both.input_tokens = answer.input_tokens + judged.input_tokens
    both.output_tokens = answer.output_tokens + judged.output_tokens
    both.cost_micros = answer.cost_micros + judged.cost_micros
    both.model_time.CopyFrom(span(timedelta(seconds=seconds(answer.model_time) + seconds(judged.model_time))))
    return both
