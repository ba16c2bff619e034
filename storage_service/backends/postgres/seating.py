"""How are new people and new chats made on Postgres, while other replicas make the same ones?"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from storage_service.backends.postgres.writes import columns
from storage_service.domain.seats import Chat, Person, Seat, Sitter

Fetch = Callable[..., Awaitable[Sequence[Any]]]
Id = tuple[str, str, str]  # tenant_id, account_id, sender_id


async def seat(
    fetch: Fetch,
    missing: Mapping[Sitter, Seat],
    *,
    people: Mapping[Sitter, Person],
    new_id: Callable[[], str],
    now: datetime,
) -> Mapping[Chat, str]:
    """The conversations that were made. Who has two ids, of which others made one, gets none until the next look."""
    unknown = {(s[0], s[1], s[3]): (seat, people[s]) for s, seat in missing.items() if seat.contact_id is None}
    torn = await _add_contacts(fetch, unknown, new_id=new_id, now=now) if unknown else set()
    chats_missing = {
        s[:3]: (s, seat)
        for s, seat in sorted(missing.items(), reverse=True)
        if not seat.conversation_id and (s[0], s[1], s[3]) not in torn
    }
    if not chats_missing:
        return {}
    rows = [
        (*sitter, new_id(), seat.channel, seat.agent_id, seat.prompt_version_id, now)
        for _, (sitter, seat) in sorted(chats_missing.items())
    ]
    return {tuple(row[:3]): row[3] for row in await fetch("add_conversations", *columns(rows))}


async def _add_contacts(
    fetch: Fetch, unknown: Mapping[Id, tuple[Seat, Person]], *, new_id: Callable[[], str], now: datetime
) -> set[Id]:
    """Those with two ids of which not both are new by now."""
    others = {key: (*key[:2], who.other_id) for key, (_, who) in unknown.items() if who.other_id}
    shown: dict[Id, tuple[Any, ...]] = {}
    for key, (seat, who) in sorted(unknown.items(), key=lambda each: each[0] not in others):
        other = others.get(key, key)
        if key in shown or other in shown:
            continue
        about = (seat.channel, who.phone, who.name, new_id(), now)
        shown[other] = (*other, key[2], seat.channel, "", *about[2:])
        shown[key] = (*key, "", *about)
    found = await fetch("add_contacts", *columns(row for _, row in sorted(shown.items())))
    new = {tuple(row) for row in found}
    return {key for key, other in others.items() if not {key, other} <= new}
