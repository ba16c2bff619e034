"""The front door of AgentService."""

from typing import Any

from agent_service.domain.door import Door
from agent_service.domain.guard.checks import Checks
from agent_service.domain.previews import Previews
from kit import access, deadlines, errors
from parley.agent.v1 import agent_service_pb2 as agent
from parley.agent.v1 import agent_service_pb2_grpc as rpc
from parley.agent.v1 import preview_pb2

READS = "conversations.read"


class AgentServer(rpc.AgentServiceServicer):
    """Serves parley.agent.v1.AgentService."""

    def __init__(self, door: Door, previews: Previews, *, checks: Checks) -> None:
        self._door = door
        self._previews = previews
        self._checks = checks

    async def PreviewContext(
        self, request: preview_pb2.PreviewContextRequest, _context: Any
    ) -> preview_pb2.PreviewContextResponse:
        if request.conversation_id:  # what was said in it is shown, which is more than agent.use lets anybody see
            access.caller().require(READS)
        return await self._previews.preview(request)

    async def HandleMessage(self, request: agent.HandleMessageRequest, _context: Any) -> agent.HandleMessageResponse:
        left = deadlines.remaining()
        if left is None:
            raise errors.DeadlineMissing
        return await self._door.handle(request, seconds=left)

    async def CheckText(self, request: agent.CheckTextRequest, _context: Any) -> agent.CheckTextResponse:
        return await self._checks.check(request)
