"""Does `parley preview` show what the model would be sent for a conversation, in a mesh?"""

import re
from collections.abc import Iterator

import grpc
import pytest

from kit.errors import ParleyError, ScopeMissing, from_rpc
from parley.agent.v1.agent_service_pb2_grpc import AgentServiceStub
from parley.agent.v1.preview_pb2 import PreviewContextRequest, PreviewContextResponse, SaidMessage
from tests.running import Mesh, running_mesh


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    with running_mesh(tmp_path_factory.mktemp("preview")) as mesh:
        yield mesh


def test_a_conversation_is_shown_part_by_part_with_what_is_asked(mesh: Mesh) -> None:
    mesh.command("chat", stdin="I would like to order the green lamp, please\n")
    _, turn = mesh.command("turns", "--state", "replied").splitlines()
    conversation = turn.split("\t")[-1]

    lines = mesh.command("preview", conversation, "--ask", "and the red one?").splitlines()

    heads = [line.split(",")[:2] for line in lines if line.startswith("── ") and " of " not in line]
    assert heads == [
        ["── system", " system"],
        ["── history", " contact"],
        ["── history", " agent"],
        ["── new", " contact"],
    ]
    assert "I would like to order the green lamp, please" in lines
    assert "The person writes in English. Answer in that language unless asked otherwise." in lines
    assert lines[-3] == "and the red one?"
    assert re.fullmatch(r"── \d+ of \d+ tokens; \d+ for the answer", lines[-2])
    assert lines[-1] == "model: the default; tools: hand_off"


@pytest.mark.parametrize(
    ("named", "wrong"), [("nobody", "there is no conversation 'nobody'"), ("", "the conversation's ID is empty")]
)
def test_a_conversation_that_there_is_not_is_one_line_and_its_fix(mesh: Mesh, named: str, wrong: str) -> None:
    done = mesh.run("preview", named)
    assert (done.returncode, done.stderr.splitlines()) == (2, [f"parley: {wrong}", "   fix: parley turns lists some"])


async def test_a_key_that_may_not_read_conversations_sees_those_that_it_makes_up(mesh: Mesh) -> None:
    mesh.command("chat", stdin="my order is 4711\n")
    mesh.wait_until(lambda: "replied" in mesh.command("turns", "--state", "replied"))
    conversation = mesh.command("turns", "--state", "replied").splitlines()[1].split("\t")[-1]
    stored = PreviewContextRequest(conversation_id=conversation)
    made_up = PreviewContextRequest(messages=[SaidMessage(text="hello")])
    talks = mesh.command("keys", "create", "talks", "--scope", "agent.use").strip()
    reads = mesh.command("keys", "create", "reads", "--scope", "agent.use", "--scope", "conversations.read").strip()

    assert isinstance(await previewed(mesh, talks, stored), ScopeMissing)
    assert isinstance(await previewed(mesh, talks, made_up), PreviewContextResponse)
    shown = await previewed(mesh, reads, stored)
    assert isinstance(shown, PreviewContextResponse)
    assert shown.parts


async def previewed(mesh: Mesh, key: str, request: PreviewContextRequest) -> PreviewContextResponse | ParleyError:
    async with grpc.aio.insecure_channel(mesh.agent_address) as channel:
        metadata = (("authorization", f"Bearer {key}"),)
        try:
            return await AgentServiceStub(channel).PreviewContext(request, metadata=metadata, timeout=30)
        except grpc.aio.AioRpcError as error:
            return from_rpc(error)
