"""How is what was said written so that every chat template takes it? One system message, then people by turns.

The templates of Mistral and Gemma refuse anything else ("Conversation roles must alternate user/assistant/…"), and
servers say so with a 400 or a 500. Ollama's own protocol needs none of it: it joins neighbours by itself (`collate`).
"""

from collections.abc import Iterable, Sequence

from parley.chat.v1.message_pb2 import Role
from parley.llm.v1.prompt_pb2 import PromptMessage

SYSTEM, PERSON, ASSISTANT, TOOL = "system", "user", "assistant", "tool"
ROLES = {
    Role.ROLE_SYSTEM: SYSTEM,
    Role.ROLE_CONTACT: PERSON,
    Role.ROLE_AGENT: ASSISTANT,
    Role.ROLE_OPERATOR: ASSISTANT,
    Role.ROLE_TOOL: TOOL,
}
# Stands before an assistant who speaks first: what a person said may have been left out, or be nothing yet.
BEFORE = PromptMessage(role=Role.ROLE_CONTACT, text="[…]")


def role(said: PromptMessage) -> str:
    """What Chat Completions and Ollama call it."""
    return ROLES.get(said.role, PERSON)


def by_turns(messages: Sequence[PromptMessage]) -> list[PromptMessage]:
    """The same words in the same order, but the system's first. Neighbours of one role are one message; calls of tools,
    and their results, stay as they are."""
    told = [said for said in messages if role(said) == SYSTEM]
    turns = [_joined(told)] if told else []
    spoken = [said for said in messages if role(said) != SYSTEM]
    if spoken and role(spoken[0]) == ASSISTANT:
        turns.append(BEFORE)
    turns.extend(map(_joined, _neighbours(spoken)))
    return turns


def _neighbours(spoken: Iterable[PromptMessage]) -> list[list[PromptMessage]]:
    found: list[list[PromptMessage]] = []
    for said in spoken:
        if found and _is_joined(found[-1][-1], said):
            found[-1].append(said)
        else:
            found.append([said])
    return found


def _is_joined(one: PromptMessage, other: PromptMessage) -> bool:
    return role(one) == role(other) != TOOL and not one.tool_calls and not other.tool_calls


def _joined(together: list[PromptMessage]) -> PromptMessage:
    if len(together) == 1:
        return together[0]
    return PromptMessage(role=together[0].role, text="\n\n".join(said.text for said in together))
