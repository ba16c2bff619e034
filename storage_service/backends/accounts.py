"""Which channel accounts does a tenant have, and does each take part?"""

import base64
import json
from collections.abc import Callable, Mapping

from sqlmodel import col

from kit.errors import InvalidField
from parley.storage.v1 import directory_pb2 as directory
from parley.storage.v1 import directory_service_pb2 as pb
from storage_service.backends import account_health, agents, lanes, listeners, mapping, tenants
from storage_service.backends.repeats import Repeats
from storage_service.backends.rows import Rows, Who
from storage_service.backends.sessions import Sessions
from storage_service.backends.tables import Agent, ChannelAccount
from storage_service.backends.vault import Vault
from storage_service.domain import account_options, defaults, names, paging, words
from storage_service.domain.wakeups import Wakeups

_STATES: Mapping[int, str] = {state: word for word, state in words.ACCOUNT_STATE.items()}
_POLICIES: Mapping[int, str] = {policy: word for word, policy in words.POLICY.items()}


class Accounts:
    """The channel accounts of tenants."""

    def __init__(
        self,
        sessions: Sessions,
        repeats: Repeats,
        *,
        vault: Vault,
        wakeups: Wakeups,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._sessions = sessions
        self._repeats = repeats
        self._vault = vault
        self._wakeups = wakeups
        self._random_bytes = random_bytes

    async def put(self, request: pb.PutChannelAccountRequest, actor: str) -> pb.PutChannelAccountResponse:
        """Makes an account, or changes the one with the same channel and address."""
        _check(request)

        async def work(rows: Rows) -> pb.PutChannelAccountResponse:
            await tenants.require(rows)
            await _require_other(rows, request.account.options.get("other_account", ""))
            row, changed = await self._put(rows, request)
            return pb.PutChannelAccountResponse(account=mapping.account(row), duplicate=not changed)

        who = Who(request.tenant_id, actor)
        response = await self._repeats.write(
            who, request, work=work, again=pb.PutChannelAccountResponse(duplicate=True)
        )
        self._moved(response.account)
        return response

    async def set_state(self, request: pb.SetAccountStateRequest, actor: str) -> pb.SetAccountStateResponse:
        """Pauses, disables or activates an account."""
        state = _word(_STATES, request.state, field="state")

        async def work(rows: Rows) -> pb.SetAccountStateResponse:
            row = await rows.named(ChannelAccount, request.account_id, lock=True)
            changed = rows.differ(row, {"state": state, "state_reason": request.reason})
            await _note_change(rows, row, changed=changed)
            return pb.SetAccountStateResponse(account=mapping.account(row), duplicate=not changed)

        who = Who(request.tenant_id, actor)
        response = await self._repeats.write(who, request, work=work, again=pb.SetAccountStateResponse(duplicate=True))
        self._moved(response.account)
        return response

    async def list(self, request: pb.ListChannelAccountsRequest) -> pb.ListChannelAccountsResponse:
        query = (request.tenant_id, "accounts", request.channel)
        most = paging.size(request.page_size)
        async with self._sessions.read(request.tenant_id) as rows:
            statement = rows.select(ChannelAccount).order_by(col(ChannelAccount.id)).limit(most + 1)
            if request.channel:
                statement = statement.where(col(ChannelAccount.channel) == request.channel)
            if after := paging.place(request.page_token, [str], query=query):
                statement = statement.where(col(ChannelAccount.id) > after[0])
            found = await rows.all(statement)
            noted = await account_health.read(rows, [row.id for row in found])
        page, following = paging.cut(found, most, key=lambda row: (row.id,), query=query, weigh=_weight)
        accounts = [mapping.account(row) for row in page]
        for row, account in zip(page, accounts, strict=True):
            known, opens = noted.get(row.id, account_health.NOTHING), self._vault.opens(row)
            account.health.CopyFrom(account_health.shown(row, known, now=rows.now, opens=opens))
        return pb.ListChannelAccountsResponse(accounts=accounts, next_page_token=following)

    async def _put(self, rows: Rows, request: pb.PutChannelAccountRequest) -> tuple[ChannelAccount, bool]:
        wanted = request.account
        same = rows.select(ChannelAccount).where(
            col(ChannelAccount.channel) == wanted.channel, col(ChannelAccount.address) == wanted.address
        )
        row = await rows.first(same, lock=True)
        values = await self._values(rows, wanted, row=row)
        if row is None:
            return await self._create(rows, request, values=values), True
        changed = rows.differ(row, values)
        if request.credentials and self._vault.differs(row, request.credentials):
            self._vault.keep(row, request.credentials)
            changed.append("credentials")
        await _note_change(rows, row, changed=changed)
        if "options" in changed:
            await listeners.want(rows, row)
        return row, bool(changed)

    async def _create(
        self, rows: Rows, request: pb.PutChannelAccountRequest, *, values: Mapping[str, object]
    ) -> ChannelAccount:
        row = ChannelAccount(
            tenant_id=rows.tenant_id,
            id=rows.new_id(),
            channel=request.account.channel,
            address=request.account.address,
            default_quiet_ms=defaults.quiet_window_ms(request.account.channel),
            created_at=rows.now,
            updated_at=rows.now,
        )
        rows.differ(row, values)
        if request.credentials:
            self._vault.keep(row, request.credentials)
        await rows.add(row)
        await listeners.want(rows, row)
        await rows.note("account.create", "channel_account", row_id=row.id, credentials=sorted(request.credentials))
        return row

    async def _values(
        self, rows: Rows, wanted: directory.ChannelAccount, *, row: ChannelAccount | None
    ) -> dict[str, object]:
        """What the row should say. What the server chose is kept when the caller names nothing else."""
        policy = wanted.unknown_policy or directory.UNKNOWN_POLICY_PARK
        key = wanted.account_key or (row.account_key if row else self._new_key())
        values: dict[str, object] = {
            "account_key": key,
            "name": wanted.name,
            "agent_id": await _agent_id(rows, wanted.agent_id, row=row),
            "unknown_policy": _word(_POLICIES, policy, field="account.unknown_policy"),
            "model": wanted.model,
            "quiet_window_ms": wanted.quiet_window_ms if wanted.HasField("quiet_window_ms") else None,
            "formatting": wanted.formatting,
            "options": json.dumps(dict(wanted.options), sort_keys=True),
        }
        if wanted.state:
            values["state"] = _word(_STATES, wanted.state, field="account.state")
            values["state_reason"] = wanted.state_reason
        return values

    def _new_key(self) -> str:
        return base64.urlsafe_b64encode(self._random_bytes(names.ACCOUNT_KEY_BYTES)).decode().rstrip("=")

    def _moved(self, account: directory.ChannelAccount) -> None:
        """What this process remembers of the account is old, and what waited for it may go."""
        self._vault.forget(account.id)
        if account.state == directory.ACCOUNT_STATE_ACTIVE:
            self._wakeups.deliveries.ring()


def _weight(row: ChannelAccount) -> int:
    """What its tenant may write at length."""
    return sum(len(each.encode()) for each in (row.options, row.name, row.model, row.state_reason, row.formatting))


async def _note_change(rows: Rows, row: ChannelAccount, *, changed: list[str]) -> None:
    if not changed:
        return
    row.version += 1
    row.updated_at = rows.now
    await rows.flush()
    if "state" in changed and row.state == "active":
        await lanes.free_account(rows, row.id)
    await rows.note("account.change", "channel_account", row_id=row.id, changed=changed, state=row.state)


async def _agent_id(rows: Rows, wanted: str, *, row: ChannelAccount | None) -> str:
    if wanted:
        return (await rows.named(Agent, wanted)).id
    return row.agent_id if row else (await agents.default(rows)).id


async def _require_other(rows: Rows, account_id: str) -> None:
    """An account that is to say what this one may not."""
    if account_id and not await rows.all(rows.select(ChannelAccount).where(col(ChannelAccount.id) == account_id)):
        raise InvalidField(
            [("account.options[other_account]", "is no account's id, as `parley channels list` shows it")]
        )


def _check(request: pb.PutChannelAccountRequest) -> None:
    account = request.account
    wrong = names.violations(
        account.channel, account.address, account_key=account.account_key, credentials=dict(request.credentials)
    )
    wrong += account_options.violations(account.options)
    if account.HasField("quiet_window_ms") and not 0 <= account.quiet_window_ms <= 60_000:
        wrong.append(("account.quiet_window_ms", "is not within 0 and 60000"))
    if wrong:
        raise InvalidField(wrong)


def _word(known: Mapping[int, str], value: int, *, field: str) -> str:
    """An enum of the contract is open: a caller may send a number that this version has no name for."""
    if value not in known:
        raise InvalidField([(field, "is not a known value")])
    return known[value]
