"""Which agents does a tenant have, and what is the one that answers when nobody chose?"""

from typing import Any

from sqlmodel import col
from sqlmodel.sql.expression import SelectOfScalar

from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import directory_service_pb2 as pb
from storage_service.backends import mapping, prompts, tenants
from storage_service.backends.repeats import Repeats
from storage_service.backends.rows import Rows, Who
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import Agent, Prompt
from storage_service.domain import defaults, manners, paging, weights


class Agents:
    """The agents of tenants."""

    def __init__(self, sessions: Sessions, repeats: Repeats) -> None:
        self._sessions = sessions
        self._repeats = repeats

    async def put(self, request: pb.PutAgentRequest, actor: str) -> pb.PutAgentResponse:
        async def work(rows: Rows) -> pb.PutAgentResponse:
            await tenants.require(rows)
            row, changed = await put(rows, request.agent)
            return pb.PutAgentResponse(agent=mapping.agent(row), duplicate=not changed)

        who = Who(request.tenant_id, actor)
        return await self._repeats.write(who, request, work=work, again=pb.PutAgentResponse(duplicate=True))

    async def list(self, request: pb.ListAgentsRequest) -> pb.ListAgentsResponse:
        query = (request.tenant_id, "agents")
        after = paging.place(request.page_token, [str], query=query)
        async with self._sessions.read(request.tenant_id) as rows:
            statement = rows.select(Agent).order_by(col(Agent.name)).limit(paging.MAX_SIZE + 1)
            if after:
                statement = statement.where(col(Agent.name) > after[0])
            found = await rows.all(statement)
        agents = [mapping.agent(row) for row in found]
        # As large as clients take it: who knows nothing of pages misses nothing that an answer could carry before.
        heavy = (weights.ROW_BYTES + each.ByteSize() for each in agents)
        most = min(paging.MAX_SIZE, weights.fitting(heavy, weights.MOST_LEASED_BYTES))
        page, following = paging.cut(found, most, key=lambda row: (row.name,), query=query)
        return pb.ListAgentsResponse(agents=agents[: len(page)], next_page_token=following)


async def put(rows: Rows, wanted: directory.Agent) -> tuple[Agent, bool]:
    """Makes or changes the agent of that name, and says whether anything changed."""
    manners.check(wanted.manners)
    if wanted.prompt_id:
        await rows.named(Prompt, wanted.prompt_id)
    values: dict[str, Any] = {
        "prompt_id": wanted.prompt_id or None,
        "model": wanted.model,
        "quiet_window_ms": wanted.quiet_window_ms if wanted.HasField("quiet_window_ms") else None,
        "fallback_text": wanted.fallback_text,
        "turn_deadline_seconds": wanted.turn_deadline_seconds or defaults.TURN_DEADLINE_SECONDS,
        "reserve_tokens": wanted.reserve_tokens,
        "manners": manners.stored(wanted.manners),
    }
    row = await rows.first(_by_name(rows, wanted.name), lock=True)
    if row is None:
        named: dict[str, Any] = {"tenant_id": rows.tenant_id, "id": rows.new_id(), "name": wanted.name}
        row = Agent(**named, **values, created_at=rows.now, updated_at=rows.now)
        await rows.add(row)
        await rows.note("agent.create", "agent", row_id=row.id)
        return row, True
    changed = rows.differ(row, values)
    if changed:
        row.updated_at = rows.now
        await rows.flush()
        await rows.note("agent.change", "agent", row_id=row.id, changed=changed)
    return row, bool(changed)


async def default(rows: Rows) -> Agent:
    """The agent that answers when nobody chose one, made with its prompt when there is none."""
    row = await rows.first(_by_name(rows, defaults.AGENT))
    if row is not None:
        return row
    prompt = await prompts.default(rows)
    row, _ = await put(rows, directory.Agent(name=defaults.AGENT, prompt_id=prompt.id))
    return row


def _by_name(rows: Rows, name: str) -> SelectOfScalar[Agent]:
    return rows.select(Agent).where(col(Agent.name) == name)
