"""How is what was said written as items of the Responses API, and what of it is new to a conversation?"""

from collections.abc import Iterable, Sequence

from llm_service.backends.reading import Object
from parley.chat.v1.message_pb2 import Role
from parley.llm.v1 import prompt_pb2

ROLES = {Role.ROLE_AGENT: "assistant", Role.ROLE_OPERATOR: "assistant"}


def instructions(prompt: prompt_pb2.Prompt) -> str:
    """The system's messages: a conversation does not keep them, so they go with every call."""
    return "\n\n".join(said.text for said in prompt.messages if said.role == Role.ROLE_SYSTEM)


def split(
    messages: Sequence[prompt_pb2.PromptMessage],
) -> tuple[list[prompt_pb2.PromptMessage], list[prompt_pb2.PromptMessage]]:
    """What the server's conversation holds already, up to the agent's last word, and what is new to it."""
    after = 0
    for number, said in enumerate(messages, 1):
        if said.role == Role.ROLE_AGENT:
            after = number
    return list(messages[:after]), list(messages[after:])


def items(messages: Iterable[prompt_pb2.PromptMessage]) -> list[Object]:
    """Without the system's, which are instructions."""
    return [item for said in messages if said.role != Role.ROLE_SYSTEM for item in _items(said)]


def _items(said: prompt_pb2.PromptMessage) -> list[Object]:
    if said.role == Role.ROLE_TOOL:
        return [{"type": "function_call_output", "call_id": said.tool_call_id, "output": said.text}]
    calls: list[Object] = [
        {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments or "{}"}
        for call in said.tool_calls
    ]
    if calls and not said.text:
        return calls
    return [{"role": ROLES.get(said.role, "user"), "content": said.text}, *calls]
