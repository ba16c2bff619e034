"""How does a test get `parley up --sandbox`, and do on its phones what the page does?"""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from kit.ids import new_id
from parley.chat.v1.message_pb2 import Attachment
from parley.sender.v1.sender_service_pb2 import SendRequest
from parley.sender.v1.sender_service_pb2_grpc import SenderServiceStub
from parley.storage.v1.conversation_service_pb2 import ListConversationsRequest, ListMessagesRequest
from parley.storage.v1.conversation_service_pb2_grpc import ConversationServiceStub
from tests.running import Mesh, running_mesh
from tests.simulated.wire import free_port
from tests.stalls import PATIENCE_SECONDS


@dataclass(frozen=True)
class Sandbox:
    """A mesh with its sandbox, both as a person has them."""

    mesh: Mesh
    port: int

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def do(self, channel: str, deed: str, **asked: Any) -> None:
        body, headers = json.dumps(asked).encode(), {"content-type": "application/json"}
        request = urllib.request.Request(f"{self.url}/phones/{channel}/{deed}", body, headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            assert answer.status == 200

    def phone(self, channel: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/state", timeout=PATIENCE_SECONDS) as answer:
            phones: list[dict[str, Any]] = json.load(answer)["phones"]
        return next(each for each in phones if each["channel"] == channel)

    def answers(self, channel: str) -> list[str]:
        """What the person was sent."""
        return [each["text"] for each in self.phone(channel)["bubbles"] if not each["mine"]]

    def last(self, channel: str) -> dict[str, Any]:
        """The newest message on the phone."""
        found: dict[str, Any] = self.phone(channel)["bubbles"][-1]
        return found

    def events(self, channel: str) -> list[tuple[str, str]]:
        """What happened, and how it ended."""
        return [(each["what"], each["status"]) for each in self.phone(channel)["events"]]

    async def send_back(self, person: str, *, caption: str) -> None:
        """As an operator's program does it: the file that the person sent goes back to them."""
        token = (Path(self.mesh.environment["DATA_DIR"]) / "mesh.token").read_text().strip()
        called: dict[str, Any] = {"metadata": (("authorization", f"Bearer {token}"),), "timeout": PATIENCE_SECONDS}
        async with grpc.aio.insecure_channel(self.mesh.storage_address) as storage:
            stub = ConversationServiceStub(storage)
            known = await stub.ListConversations(ListConversationsRequest(tenant_id="default"), **called)
            (chat_with,) = [each.id for each in known.conversations if each.chat_id == person]
            asked = ListMessagesRequest(tenant_id="default", conversation_id=chat_with)
            came = (await stub.ListMessages(asked, **called)).messages[0].attachments[0]
        file = Attachment(kind=came.kind, media_id=came.media_id, caption=caption)
        request = SendRequest(tenant_id="default", request_id=new_id(), conversation_id=chat_with, attachments=[file])
        async with grpc.aio.insecure_channel(self.mesh.environment["SENDER_ADDRESS"]) as sender:
            await SenderServiceStub(sender).Send(request, **called)

    def deliveries(self, state: str) -> list[str]:
        """What an operator is shown."""
        return self.mesh.command("deliveries", "--state", state).splitlines()[1:]


@contextmanager
def sandboxed(folder: Path, *options: str, **settings: str) -> Iterator[Sandbox]:
    """Runs until the block ends. The mesh keeps its data in a folder of the sandbox's own."""
    port = free_port()
    with running_mesh(folder, "--sandbox", *options, SANDBOX_PORT=str(port), **settings) as mesh:
        own = {**mesh.environment, "DATA_DIR": str(folder / "data" / "sandbox")}
        yield Sandbox(Mesh(mesh.folder, mesh.http_port, own, mesh.process), port)
