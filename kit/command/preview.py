"""What would the model be sent for a conversation? The parts, their tokens, and what was left out."""

from grpc.aio import AioRpcError

from kit.command import reaching
from kit.command.screen import Mistake, printable, say
from kit.errors import NotFound, from_rpc
from kit.settings import Settings, load
from parley.agent.v1.agent_service_pb2_grpc import AgentServiceStub
from parley.agent.v1.preview_pb2 import ContextPartKind, PreviewContextRequest, PreviewContextResponse
from parley.chat.v1.message_pb2 import Role


async def preview(tenant: str, conversation: str, *, ask: str | None, model: str | None) -> None:
    """As it is now, or with something that nobody wrote."""
    if not conversation:  # of a script whose variable is empty
        raise Mistake("the conversation's ID is empty", fix="parley turns lists some")
    wanted = PreviewContextRequest(tenant_id=tenant, conversation_id=conversation, model=model or "")
    if ask:
        wanted.messages.add(text=ask)
    async with reaching.channel(load(Settings), "agent") as agent:
        try:
            shown = await AgentServiceStub(agent).PreviewContext(wanted, timeout=reaching.CALL_SECONDS)
        except AioRpcError as error:
            if isinstance(from_rpc(error), NotFound):
                raise Mistake(f"there is no conversation {conversation!r}", fix="parley turns lists some") from None
            raise
    _show(shown)


def _show(shown: PreviewContextResponse) -> None:
    for part in shown.parts:
        kind = ContextPartKind.Name(part.kind).removeprefix("CONTEXT_PART_KIND_").lower()
        role = Role.Name(part.role).removeprefix("ROLE_").lower()
        say(f"── {kind}, {role}, {part.tokens} tokens", style="bold")
        say(printable(part.text))
    room = f"{shown.input_tokens} of {shown.window_tokens} tokens; {shown.max_output_tokens} for the answer"
    say(f"── {room}", style="bold")
    say(f"model: {shown.model or 'the default'}; tools: {', '.join(shown.tools) or 'none'}")
    left_out = {
        "messages of the history": shown.dropped_history,
        "messages to answer": shown.dropped_messages,
        "summary": int(shown.dropped_summary),
    }
    if missing := [f"{count} {what}" for what, count in left_out.items() if count]:
        say(f"left out: {', '.join(missing)}")
    if shown.cut:
        say("cut: the system prompt or the newest message is shown in part")
