"""What would the model be sent? The context of a conversation, stored or made up, built as a turn's would be."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from agent_service.domain.context import Budget, Chosen, Shown, choose, hint, said
from agent_service.domain.hand_off import TOOL_TOKENS
from agent_service.domain.turn import Story
from kit.errors import InvalidField
from parley.agent.v1.preview_pb2 import ContextPartKind, PreviewContextRequest, PreviewContextResponse, SaidMessage
from parley.chat.v1.message_pb2 import Message, Role
from parley.storage.v1.directory_pb2 import Agent
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, TurnSetting

SYSTEM, SUMMARY, HISTORY, NEW = (
    ContextPartKind.CONTEXT_PART_KIND_SYSTEM,
    ContextPartKind.CONTEXT_PART_KIND_SUMMARY,
    ContextPartKind.CONTEXT_PART_KIND_HISTORY,
    ContextPartKind.CONTEXT_PART_KIND_NEW,
)
# What a stored conversation has of its own.
MADE_UP = ("agent_id", "system_prompt", "summary", "history", "language")


class Agents(Protocol):
    """Where the agent that would answer is found."""

    async def find(self, tenant_id: str, agent_id: str) -> Agent:
        """By id, or the tenant's default; an empty one when there is none yet."""


class Contexts(Protocol):
    """Where stored conversations are found."""

    async def show(self, tenant_id: str, conversation_id: str) -> LeasedTurn:
        """As a lease would bring it. Raises NotFound."""


class Previews:
    """Shows contexts, with the story's own rules."""

    def __init__(self, agents: Agents, contexts: Contexts, *, story: Story) -> None:
        self._agents = agents
        self._contexts = contexts
        self._story = story

    async def preview(self, request: PreviewContextRequest) -> PreviewContextResponse:
        """The parts, their tokens, and what would be dropped."""
        if not request.tenant_id:
            raise InvalidField([("tenant_id", "is required; only an API key names the tenant by itself")])
        turn = await (self._stored(request) if request.conversation_id else self._made_up(request))
        await self._story.drop_refused(turn)
        budget, tools = self._story.terms(turn)
        chosen = choose(turn, budget, hint=hint(self._story.language(turn), turn.setting.formatting))
        response = _shown(turn, chosen, budget=budget)
        response.tools.extend(tool.name for tool in tools)
        extra = TOOL_TOKENS if tools else 0
        response.window_tokens += extra
        response.input_tokens += extra
        return response

    async def _made_up(self, request: PreviewContextRequest) -> LeasedTurn:
        if not request.messages:
            raise InvalidField([("messages", "are required unless conversation_id is given")])
        return _turn(request, await self._agents.find(request.tenant_id, request.agent_id))

    async def _stored(self, request: PreviewContextRequest) -> LeasedTurn:
        wrong = [(name, "must be empty when conversation_id is given") for name in MADE_UP if getattr(request, name)]
        if wrong:
            raise InvalidField(wrong)
        turn = await self._contexts.show(request.tenant_id, request.conversation_id)
        if request.messages:
            last = max((message.seq for message in (*turn.history, *turn.messages)), default=0)
            del turn.messages[:]
            turn.messages.extend(_message(each, seq) for seq, each in enumerate(request.messages, last + 1))
        turn.setting.model = request.model or turn.setting.model
        return turn


def _turn(request: PreviewContextRequest, agent: Agent) -> LeasedTurn:
    setting = TurnSetting(
        system_prompt=request.system_prompt,
        summary=request.summary,
        model=request.model or agent.model,
        reserve_tokens=agent.reserve_tokens,
    )
    setting.language.code = request.language
    setting.language.chosen = bool(request.language)
    before = [_message(each, seq) for seq, each in enumerate(request.history, 1)]
    now = [_message(each, seq) for seq, each in enumerate(request.messages, len(before) + 1)]
    return LeasedTurn(tenant_id=request.tenant_id, messages=now, history=before, setting=setting)


def _message(each: SaidMessage, seq: int) -> Message:
    return Message(seq=seq, role=each.role or Role.ROLE_CONTACT, text=each.text)


def _shown(turn: LeasedTurn, chosen: Chosen, *, budget: Budget) -> PreviewContextResponse:
    new = chosen.new if turn.messages else []  # Nothing waits: the model reads what there is so far.
    parts = ((SYSTEM, chosen.system), (SUMMARY, chosen.summary), (HISTORY, chosen.history), (NEW, new))
    used = sum(budget.total(lines) for _, lines in parts)
    response = PreviewContextResponse(
        dropped_history=len(turn.history) - len(chosen.history),
        dropped_messages=len(turn.messages) - len(new),
        dropped_summary=bool(turn.setting.summary) and not chosen.summary,
        cut=_is_cut(turn, chosen, new=new),
        model=turn.setting.model,
        window_tokens=budget.window_tokens,
        reserve_tokens=budget.window_tokens - budget.room_tokens,
        input_tokens=used,
        max_output_tokens=max(1, budget.window_tokens - used),
    )
    for kind, lines in parts:
        _put(response, lines, kind=kind, budget=budget)
    return response


def _put(response: PreviewContextResponse, lines: Iterable[Shown], *, kind: ContextPartKind, budget: Budget) -> None:
    for line in lines:
        response.parts.add(kind=kind, role=line.role, text=line.text, tokens=budget.cost(line))


def _is_cut(turn: LeasedTurn, chosen: Chosen, *, new: Sequence[Shown]) -> bool:
    prompt = turn.setting.system_prompt
    kept = chosen.system[0].text if chosen.system else ""
    return not kept.startswith(prompt) or (bool(new) and new[-1].text != said(turn.messages[-1]).text)
