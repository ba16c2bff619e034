"""How does a conversation pass to a human? For which reason, with what said to the contact, and what for the human."""

import json
from collections.abc import Sequence

from agent_service.domain import files, kept_conversations
from agent_service.domain.draft import HANDED_OFF, Draft, Ending
from parley.chat.v1.message_pb2 import Attachment, AttachmentKind, Message, Role
from parley.llm.v1.prompt_pb2 import Tool, ToolCall
from parley.storage.v1.conversation_change_pb2 import ConversationChange, HandOff, HandOffReason
from parley.storage.v1.turn_requests_pb2 import LeasedTurn, Usage

MOST_CHARACTERS, MOST_OF_A_LINE, MOST_OF_A_SUMMARY, MOST_OF_A_NOTE = 4000, 300, 1000, 500
WHO = {Role.ROLE_CONTACT: "Contact", Role.ROLE_AGENT: "Agent", Role.ROLE_OPERATOR: "Operator"}
WHY = {
    HandOffReason.HAND_OFF_REASON_CONTACT_ASKED: "The contact asked for a person.",
    HandOffReason.HAND_OFF_REASON_MODEL_ASKED: "The model asked for a person.",
    HandOffReason.HAND_OFF_REASON_GUARDRAIL: "A guardrail asked for a person.",
    HandOffReason.HAND_OFF_REASON_REPEATED_FAILURE: "No answer could be made several times in a row.",
    HandOffReason.HAND_OFF_REASON_LOW_CONFIDENCE: "The model was not sure of its answer.",
}
WORDS = {value: name.removeprefix("HAND_OFF_REASON_").lower() for name, value in HandOffReason.items()}

TOOL = Tool(
    name="hand_off",
    description=(
        "Passes this conversation to a human of the team. Use it only when the person asks for a human, or needs "
        "something that you cannot do or must not decide. Never use it for greetings, or for what you can answer."
    ),
    parameters=json.dumps(
        {
            "type": "object",
            "properties": {
                "reason": {"type": "string", "description": "Why, in one sentence, for the human."},
                "unsure": {"type": "boolean", "description": "True when you could answer but are not sure enough."},
            },
            "required": ["reason"],
        }
    ),
)
# What the tool takes of the window, generously: servers write it into the prompt in their own way.
TOOL_TOKENS = 200
# In a window smaller than this there is no room for it.
LEAST_WINDOW_TOKENS = 2048


def tools(window_tokens: int) -> Sequence[Tool]:
    """What a model with such a window is offered."""
    return (TOOL,) if window_tokens >= LEAST_WINDOW_TOKENS else ()


def ending(draft: Draft, reason: HandOffReason, *, note: str = "", usage: Usage | None = None) -> Ending:
    """Ends the turn: the contact is told once, and the human gets what they should know."""
    known = HandOff(reason=reason, summary=summary(draft.turn, reason, note=note))
    replies = (draft.say("handed_off"),)
    change, kept = ConversationChange(hand_off=known), kept_conversations.unheard(draft.turn)
    return Ending(HANDED_OFF, WORDS[reason], replies, usage or Usage(), kept, change)


def too_often(turn: LeasedTurn) -> bool:
    """Whether a failure of this turn would be one too many in a row. By itself nobody is handed to an empty desk."""
    most = turn.setting.manners.failures_before_hand_off
    return bool(most) and turn.setting.failed_in_row + 1 >= most


def asked_by_model(draft: Draft, calls: Sequence[ToolCall], *, usage: Usage) -> Ending | None:
    """The end of a turn whose model called the tool. None when it called something else, or with nonsense."""
    for call in calls:
        arguments = _arguments(call)
        if arguments is not None:
            unsure = arguments.get("unsure") is True
            reason = (
                HandOffReason.HAND_OFF_REASON_LOW_CONFIDENCE if unsure else HandOffReason.HAND_OFF_REASON_MODEL_ASKED
            )
            return ending(draft, reason, note=str(arguments["reason"]), usage=usage)
    return None


def summary(turn: LeasedTurn, reason: HandOffReason, *, note: str = "") -> str:
    """What a human should know: why, what was said long ago in short, and the last messages as they were said."""
    setting = turn.setting
    head = [WHY.get(reason, WHY[HandOffReason.HAND_OFF_REASON_GUARDRAIL])]
    if note:
        head.append(f"Reason: {_short(note, MOST_OF_A_NOTE)}")
    if setting.language.code:
        head.append(f"Language: {setting.language.code}")
    if setting.summary:
        head.append(f"Before: {_short(setting.summary, MOST_OF_A_SUMMARY)}")
    room = MOST_CHARACTERS - sum(len(line) + 1 for line in head) - 1
    said: list[str] = []
    for message in reversed([*turn.history, *turn.messages]):
        line = _line(message)
        room -= len(line) + 1
        if room < 0:
            break
        said.append(line)
    return "\n".join([*head, "", *reversed(said)])


def _line(message: Message) -> str:
    text = message.text or _attached(message.attachments)
    return f"{WHO.get(message.role, 'System')}: {_short(text, MOST_OF_A_LINE)}"


def _attached(attachments: Sequence[Attachment]) -> str:
    """How many there are, or what it was of which nothing can be read."""
    if len(attachments) == 1 and attachments[0].kind == AttachmentKind.ATTACHMENT_KIND_UNSUPPORTED:
        return files.described(attachments[0])
    return f"[{len(attachments)} attached]" if attachments else "[nothing]"


def _short(text: str, most: int) -> str:
    """On one line, and cut where it is long. JSON may hold a NUL, with which storage would refuse all of it."""
    line = " ".join(text[: 4 * most].replace("\0", " ").split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _arguments(call: ToolCall) -> dict[str, object] | None:
    if call.name != TOOL.name:
        return None
    try:
        found = json.loads(call.arguments or "{}")
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("reason"), str) else None
