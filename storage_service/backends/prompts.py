"""Which texts does a prompt have, and which one do new conversations begin with?"""

from sqlmodel import col
from sqlmodel.sql.expression import SelectOfScalar

from parley.storage.v1 import directory_requests_pb2 as pb
from storage_service.backends import mapping, tenants
from storage_service.backends.repeats import Repeats
from storage_service.backends.rows import Rows, Who
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import Prompt, PromptVersion
from storage_service.domain import defaults, paging, weights


class Prompts:
    """The prompts of tenants. A version never changes; which one is live does."""

    def __init__(self, sessions: Sessions, repeats: Repeats) -> None:
        self._sessions = sessions
        self._repeats = repeats

    async def create_version(
        self, request: pb.CreatePromptVersionRequest, actor: str
    ) -> pb.CreatePromptVersionResponse:
        async def work(rows: Rows) -> pb.CreatePromptVersionResponse:
            await tenants.require(rows)
            prompt, version = await add_version(rows, request.prompt_name, text=request.text, live=request.live)
            shown = mapping.prompt_version(version, live_version_id=prompt.live_version_id)
            return pb.CreatePromptVersionResponse(version=shown)

        who = Who(request.tenant_id, actor)
        return await self._repeats.write(who, request, work=work, again=pb.CreatePromptVersionResponse(duplicate=True))

    async def set_live(self, request: pb.SetLivePromptVersionRequest, actor: str) -> pb.SetLivePromptVersionResponse:
        """Newer or older than the live one. Said of the live one, it changes nothing."""

        async def work(rows: Rows) -> pb.SetLivePromptVersionResponse:
            named = rows.select(Prompt).where(col(Prompt.name) == request.prompt_name)
            prompt = await rows.only(named, kind="prompt", lock=True)
            numbered = _newest_first(rows, prompt).where(col(PromptVersion.number) == request.number)
            version = await rows.only(numbered, kind="prompt_version")
            if prompt.live_version_id != version.id:
                prompt.live_version_id = version.id
                await rows.flush()
                await rows.note("prompt.live", "prompt", row_id=prompt.id, number=version.number)
            shown = mapping.prompt_version(version, live_version_id=prompt.live_version_id)
            return pb.SetLivePromptVersionResponse(version=shown)

        return await self._sessions.write(Who(request.tenant_id, actor), work)

    async def list_versions(self, request: pb.ListPromptVersionsRequest) -> pb.ListPromptVersionsResponse:
        async with self._sessions.read(request.tenant_id) as rows:
            named = rows.select(Prompt).where(col(Prompt.name) == request.prompt_name)
            prompt = await rows.only(named, kind="prompt")
            found = await rows.all(_newest_first(rows, prompt).limit(paging.MAX_SIZE))
        found = found[: weights.fitting((weights.said(each.text, None) for each in found), weights.MOST_LEASED_BYTES)]
        shown = [mapping.prompt_version(row, live_version_id=prompt.live_version_id) for row in found]
        return pb.ListPromptVersionsResponse(versions=shown)


async def add_version(rows: Rows, prompt_name: str, *, text: str, live: bool) -> tuple[Prompt, PromptVersion]:
    """Adds a text to a prompt, under the prompt's lock so that numbers have no gap."""
    prompt = await rows.first(rows.select(Prompt).where(col(Prompt.name) == prompt_name), lock=True)
    if prompt is None:
        prompt = Prompt(tenant_id=rows.tenant_id, id=rows.new_id(), name=prompt_name, created_at=rows.now)
        await rows.add(prompt)
    newest = await rows.first(_newest_first(rows, prompt).limit(1))
    version = PromptVersion(
        tenant_id=rows.tenant_id,
        id=rows.new_id(),
        prompt_id=prompt.id,
        number=newest.number + 1 if newest else 1,
        text=text,
        created_at=rows.now,
    )
    await rows.add(version)
    if live:
        prompt.live_version_id = version.id
        await rows.flush()
    await rows.note("prompt.version", "prompt", row_id=prompt.id, number=version.number, live=live)
    return prompt, version


async def default(rows: Rows) -> Prompt:
    """The prompt of the default agent, made when there is none."""
    prompt = await rows.first(rows.select(Prompt).where(col(Prompt.name) == defaults.PROMPT))
    if prompt is not None:
        return prompt
    prompt, _ = await add_version(rows, defaults.PROMPT, text=defaults.SYSTEM_PROMPT, live=True)
    return prompt


def _newest_first(rows: Rows, prompt: Prompt) -> SelectOfScalar[PromptVersion]:
    versions = rows.select(PromptVersion).where(col(PromptVersion.prompt_id) == prompt.id)
    return versions.order_by(col(PromptVersion.number).desc())
