"""Constructs the storage and runs it: `python -m storage_service`."""

import asyncio
import secrets
import time
from dataclasses import dataclass
from datetime import timedelta

from kit import process
from kit.credentials import make_data_dir
from kit.ids import new_id
from kit.lifetime import Lifetime
from kit.moments import utc_now
from kit.serving import Server
from storage_service.backends.account_health import AccountHealth
from storage_service.backends.accounts import Accounts
from storage_service.backends.agents import Agents
from storage_service.backends.api_keys import ApiKeys, StoredKeys
from storage_service.backends.contacts import Contacts
from storage_service.backends.conversations import Conversations
from storage_service.backends.drafts import DraftBook
from storage_service.backends.engines import open_engine
from storage_service.backends.erasure import Erasure
from storage_service.backends.export import Export
from storage_service.backends.hand_offs import HandOffs
from storage_service.backends.hot import Hot, open_hot
from storage_service.backends.listeners import Listeners
from storage_service.backends.media import StoredMedia
from storage_service.backends.moved_chats import MovedChats
from storage_service.backends.ownership import Ownership
from storage_service.backends.prompts import Prompts
from storage_service.backends.repeats import Repeats
from storage_service.backends.retention import Retention
from storage_service.backends.running import Running
from storage_service.backends.schema import in_the_log, migrate, prepared_when_possible
from storage_service.backends.secret_key import has_keys, open_keyring
from storage_service.backends.seeding import ensure_default
from storage_service.backends.sessions import Sessions
from storage_service.backends.sole import Sole, alone
from storage_service.backends.taken_back import TakenBack
from storage_service.backends.tenants import Tenants
from storage_service.backends.vault import Vault
from storage_service.backends.wishes import Wishes
from storage_service.domain.accepting import Acceptance
from storage_service.domain.awaiting import Awaiting
from storage_service.domain.contexts import Contexts
from storage_service.domain.delivery_work import DeliveryWork
from storage_service.domain.drafts import Drafts
from storage_service.domain.events import Events
from storage_service.domain.fetches import Fetches
from storage_service.domain.housekeeping import Housekeeping
from storage_service.domain.inbox import Inbox
from storage_service.domain.outbox import Outbox
from storage_service.domain.presence import Presence
from storage_service.domain.pressure import Pressure
from storage_service.domain.sealing import Keyring
from storage_service.domain.sharing import Shares
from storage_service.domain.sweeping import Sweeper
from storage_service.domain.tombstones import Tombstones
from storage_service.domain.turn_work import TurnWork
from storage_service.domain.wakeups import Wakeups
from storage_service.domain.watching import Watching
from storage_service.server import Servicers, mount
from storage_service.servicers.conversations import ConversationServicer, Held
from storage_service.servicers.directory import Directory, DirectoryServicer
from storage_service.servicers.inbox import ChangedThere, InboxServicer
from storage_service.servicers.listeners import ListenerServicer
from storage_service.servicers.media import MediaServicer
from storage_service.servicers.outbox import OutboxServicer
from storage_service.servicers.privacy import PrivacyServicer
from storage_service.settings import Settings


@dataclass(frozen=True, slots=True)
class Parts:
    """What is constructed first and used by several."""

    settings: Settings
    url: str
    lifetime: Lifetime
    wakeups: Wakeups
    events: Events
    keyring: Keyring
    sessions: Sessions
    repeats: Repeats
    vault: Vault
    pressure: Pressure
    presence: Presence
    health: AccountHealth
    drafts: Drafts
    draft_book: DraftBook


@dataclass(frozen=True, slots=True)
class Doors:
    """What workers come to: for turns, for deliveries, for fetches."""

    inbox: Inbox
    outbox: Outbox
    fetches: Fetches


async def serve(settings: Settings, lifetime: Lifetime) -> None:
    """Keeps what must not be lost until the process is told to stop."""
    parts = _parts(settings, lifetime)
    with alone(parts.url) as sole:
        await _serve(parts, sole)


async def _serve(parts: Parts, sole: Sole) -> None:
    settings, lifetime = parts.settings, parts.lifetime
    accounts = Accounts(
        parts.sessions, parts.repeats, vault=parts.vault, wakeups=parts.wakeups, random_bytes=secrets.token_bytes
    )
    api_keys = ApiKeys(parts.sessions, parts.repeats, random_bytes=secrets.token_bytes)

    async def prepare() -> None:
        sole.take()
        await migrate(parts.url, began=in_the_log)
        await ensure_default(parts.sessions, accounts)

    if not await prepared_when_possible(parts.url, prepare, stopping=lifetime.stopping):
        return
    hot = open_hot(parts.url, replica_id=new_id(), events=parts.events, key_ids=parts.keyring.ids)
    await hot.database.open(rehearse=True)
    parts.sessions.now = hot.database.now  # what is queued must not be due in the future of those who lease it
    outbox = _outbox(parts, hot)
    fetches = Fetches(hot.database, wakeups=parts.wakeups)
    doors = Doors(_inbox(parts, hot, outbox=outbox), outbox, fetches)
    server = Server("storage", settings.storage_address, settings=settings, keys=StoredKeys(api_keys))
    mount(server, _servicers(parts, hot, doors=doors, accounts=accounts, api_keys=api_keys))
    await server.start()
    housekeeping = _housekeeping(parts, hot, server=server)
    await _run(parts, hot, doors=doors, server=server, housekeeping=housekeeping)
    await hot.database.close()
    await parts.sessions.close()


async def _run(parts: Parts, hot: Hot, *, doors: Doors, server: Server, housekeeping: Housekeeping) -> None:
    """Serves until told to stop. A fault of ours in one of the loops ends the process instead of leaving it idle."""
    settings, lifetime = parts.settings, parts.lifetime
    async with asyncio.TaskGroup() as group:
        group.create_task(doors.inbox.turns.run())
        group.create_task(doors.outbox.deliveries.run())
        group.create_task(doors.fetches.waiting.run())
        group.create_task(housekeeping.run(lifetime.stopping))
        beside = [group.create_task(parts.vault.rotate_when_possible()), group.create_task(parts.presence.run())]
        beside += [group.create_task(parts.health.keep_counting(lifetime.stopping))]
        beside += [group.create_task(parts.drafts.watch_what_is_left(parts.draft_book.left, parts.draft_book.forget))]
        beside += [group.create_task(hot.crier.run())] if hot.crier else []
        server.set_serving(True)
        lifetime.ready("storage")
        await lifetime.wait_stopping()
        await doors.inbox.turns.stop()
        await doors.outbox.deliveries.stop()
        await doors.fetches.close()
        await server.drain(settings.storage_drain_seconds)
        await doors.inbox.close()
        await doors.outbox.close()
        for each in beside:
            each.cancel()


def check(settings: Settings) -> None:
    """Raises SettingsError where storage would not start with these. Makes nothing."""
    settings.mutations()
    if settings.secret_keys.get_secret_value() or has_keys(settings.data_dir):
        _keyring(settings)


def _parts(settings: Settings, lifetime: Lifetime) -> Parts:
    settings.mutations()
    make_data_dir(settings)
    url = settings.database()
    keyring = _keyring(settings)
    sessions = Sessions(open_engine(url), now=utc_now, new_id=new_id)
    vault = Vault(sessions, keyring, monotonic=time.monotonic)
    wakeups = Wakeups()
    events = Events(wakeups)
    presence = Presence(
        Running(sessions).signals, elsewhere=events.began, stopping=lifetime.stopping, monotonic=time.monotonic
    )
    draft_book = DraftBook(sessions)
    drafts = Drafts(draft_book.look, presence, wakeups=wakeups, elsewhere=events.drafted)
    events.show(presence.heard, draw=drafts.heard)
    return Parts(
        settings=settings,
        url=url,
        lifetime=lifetime,
        wakeups=wakeups,
        events=events,
        keyring=keyring,
        sessions=sessions,
        repeats=Repeats(sessions, keyring),
        vault=vault,
        pressure=Pressure(settings.max_open_turns, settings.max_queued_deliveries, settings.max_queued_per_account),
        presence=presence,
        health=AccountHealth(sessions, opens=vault.opens),
        drafts=drafts,
        draft_book=draft_book,
    )


def _keyring(settings: Settings) -> Keyring:
    return open_keyring(settings.secret_keys.get_secret_value(), settings.data_dir, random_bytes=secrets.token_bytes)


def _inbox(parts: Parts, hot: Hot, *, outbox: Outbox) -> Inbox:
    mutations = parts.settings.mutations()
    media_wait = timedelta(seconds=parts.settings.media_wait_seconds)
    acceptance = Acceptance(new_id, Tombstones(parts.keyring), mutations, media_wait)
    work = TurnWork(new_id, mutations, parts.settings.fallback_text)
    return Inbox(
        hot.database,
        acceptance,
        work=work,
        pressure=parts.pressure,
        wakeups=parts.wakeups,
        deliveries=outbox.deliveries,
    )


def _outbox(parts: Parts, hot: Hot) -> Outbox:
    return Outbox(hot.database, DeliveryWork(new_id, parts.settings.mutations()), wakeups=parts.wakeups, new_id=new_id)


def _housekeeping(parts: Parts, hot: Hot, *, server: Server) -> Housekeeping:
    settings = parts.settings

    def say(serving: bool) -> None:
        server.set_serving(serving)
        (parts.lifetime.ready if serving else parts.lifetime.unready)("storage")

    sweeper = Sweeper(
        new_id,
        settings.fallback_text,
        most_leases=settings.turn_max_leases,
        keep_raw=timedelta(seconds=settings.raw_payload_retention_seconds),
        keep_media=timedelta(seconds=settings.media_retention_seconds),
        mutations=settings.mutations(),
    )
    return Housekeeping(
        hot.database, sweeper, pressure=parts.pressure, every_seconds=settings.storage_sweep_seconds, serving=say
    )


def _servicers(parts: Parts, hot: Hot, *, doors: Doors, accounts: Accounts, api_keys: ApiKeys) -> Servicers:
    sessions, repeats, wakeups = parts.sessions, parts.repeats, parts.wakeups
    reads = Conversations(sessions)
    stopping = parts.lifetime.stopping
    room = asyncio.Semaphore(parts.settings.mesh_max_concurrent_calls // 2)
    watching = Watching(reads, wakeups, stopping, time.monotonic, draft=parts.drafts.of, room=room)
    awaiting = Awaiting(reads.outcomes, wakeups, stopping=stopping, monotonic=time.monotonic)
    ownership = Ownership(sessions, repeats, events=parts.events)
    erasure = Erasure(sessions, repeats, tombstones=Tombstones(parts.keyring), events=parts.events)
    directory = Directory(
        tenants=Tenants(sessions),
        accounts=accounts,
        vault=parts.vault,
        agents=Agents(sessions, repeats),
        prompts=Prompts(sessions, repeats),
        contacts=Contacts(sessions),
        api_keys=api_keys,
        health=parts.health,
    )
    wishes = Wishes(sessions, repeats, events=parts.events, pressure=parts.pressure)
    taken_back = TakenBack(sessions, tombstones=Tombstones(parts.keyring), events=parts.events)
    there = ChangedThere(ownership, MovedChats(sessions, events=parts.events), taken_back)
    return Servicers(
        inbox=InboxServicer(doors.inbox, there, presence=parts.presence, drafts=parts.drafts),
        outbox=OutboxServicer(
            doors.outbox, wishes, presence=parts.presence, drafts=parts.draft_book, secrets=parts.vault.secrets
        ),
        conversations=ConversationServicer(
            Held(reads, ownership, HandOffs(sessions), watching, awaiting, Contexts(hot.database))
        ),
        directory=DirectoryServicer(directory),
        privacy=PrivacyServicer(Export(sessions), erasure, retention=Retention(sessions)),
        listeners=ListenerServicer(Listeners(sessions, vault=parts.vault)),
        media=MediaServicer(
            doors.fetches, StoredMedia(sessions), shares=Shares(parts.keyring, utc_now), secrets=parts.vault.secrets
        ),
    )


def main() -> None:
    """One process."""
    process.alone("storage", Settings, serve=serve)


if __name__ == "__main__":
    main()
