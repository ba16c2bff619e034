"""A turn to tell, a model that answers from a list, and a story that is told at one moment."""

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from agent_service.domain.draft import Ending
from agent_service.domain.turn import Rules, Story
from kit.errors import ParleyError, as_item
from kit.moments import stamp
from parley.chat.v1.message_pb2 import Message, Owner, Role
from parley.llm.v1.completion_pb2 import Completion
from parley.llm.v1.llm_service_pb2 import GenerateRequest, GenerateResponse
from parley.llm.v1.prompt_pb2 import ToolCall
from parley.storage.v1.manners_pb2 import Manners
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, TurnSetting

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
RULES = Rules(25.0, 512, "sorry", opt_out_channels=frozenset({"sms"}))
Answer = GenerateResponse | ParleyError


class Models:
    """Gives its answers one after the other, the last one for ever, and remembers what it was asked."""

    def __init__(self, *answers: Answer, names: Sequence[str] = (), window: int = 4096) -> None:
        self._answers = deque(answers or (an_answer(),))
        self._names, self._window = names, window
        self.asked: list[GenerateRequest] = []

    def window(self, model: str) -> int:
        return self._window

    def characters_per_token(self, model: str) -> float:
        return 4.0

    def names(self) -> Sequence[str]:
        return self._names

    async def generate(self, request: GenerateRequest, *, seconds: float) -> GenerateResponse:
        kept = GenerateRequest()
        kept.CopyFrom(request)
        self.asked.append(kept)
        answer = self._answers.popleft() if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, ParleyError):
            raise answer
        return answer

    def texts(self, number: int = -1) -> list[str]:
        """What a prompt said, without the system's part."""
        return [said.text for said in self.asked[number].prompt.messages if said.role != Role.ROLE_SYSTEM]


def an_answer(text: str = "hi", *calls: ToolCall) -> GenerateResponse:
    return GenerateResponse(text=text, tool_calls=calls, completion=Completion(model="m", input_tokens=3))


def a_fallback(error: ParleyError) -> GenerateResponse:
    return GenerateResponse(text="sorry", completion=Completion(model="m", fallback=True, failure=as_item(error)))


def a_turn(
    *texts: str,
    history: Sequence[Message] = (),
    channel: str = "telegram",
    manners: Manners | None = None,
    **setting: object,
) -> LeasedTurn:
    first = len(history) + 1
    messages = [
        Message(seq=seq, role=Role.ROLE_CONTACT, text=text, created_at=stamp(NOW))
        for seq, text in enumerate(texts, first)
    ]
    given = {"owner": Owner.OWNER_AGENT, "fallback_text": "sorry", **setting}
    return LeasedTurn(
        tenant_id="t1",
        turn_id="u1",
        conversation_id="c1",
        epoch=1,
        messages=messages,
        history=history,
        setting=TurnSetting(manners=manners, **given),  # type: ignore[arg-type]
        deadline_at=stamp(NOW + timedelta(seconds=120)),
        channel=channel,
    )


def said(text: str, role: Role = Role.ROLE_CONTACT, *, seq: int = 0, ago: timedelta = timedelta(minutes=5)) -> Message:
    return Message(role=role, text=text, seq=seq, created_at=stamp(NOW - ago))


async def told(turn: LeasedTurn, model: Models | None = None, *, rules: Rules = RULES) -> Ending:
    return await Story(model or Models(), rules, now=lambda: NOW).tell(turn)
