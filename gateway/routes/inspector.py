"""The webhook inspector: what came in, why it was refused, the same once more. For whoever runs the gateway."""

import asyncio
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import PlainTextResponse, Response

from channels.channel import Channel
from gateway.addresses import Addresses
from gateway.domain.inspection import curl, disclosure
from gateway.domain.inspection.arrivals import Arrival, arrived
from gateway.domain.inspection.diagnosis import Diagnosis, Finding
from gateway.domain.inspection.inspector import Inspector
from gateway.envelope import ApiError
from gateway.routes.visitors import stated_token
from gateway.routes.webhooks import Webhooks
from kit import correlation, errors
from kit.ids import new_id

LONGEST_WAIT_SECONDS = 25.0
MOST_AT_ONCE = 200
ERRORS: dict[int | str, dict[str, Any]] = {status: {"model": ApiError} for status in (400, 401, 404, 409)}

After = Annotated[int, Query(ge=0, lt=2**62, description="Only what has a larger number")]
Wait = Annotated[float, Query(ge=0, le=LONGEST_WAIT_SECONDS, description="Seconds to wait while there is nothing")]
Text = Annotated[bool, Query(description="The body, too: a person's words stand in it")]


@dataclass(frozen=True, slots=True, repr=False)
class Inspection:
    """What is remembered, who finds out what was wrong with it, and who may look."""

    inspector: Inspector
    diagnosis: Diagnosis
    tokens: Sequence[str]  # any of them opens the door
    gateway: str  # which of several processes this is


@dataclass(frozen=True, slots=True, repr=False)
class Opened:
    """The routes."""

    inspection: Inspection
    webhooks: Webhooks
    addresses: Addresses
    channels: Mapping[str, Channel]
    stopping: asyncio.Event
    findings: dict[str, Finding] = field(default_factory=dict)

    async def list_arrivals(self, request: Request, *, after: After = 0, wait: Wait = 0.0) -> Response:
        """What came in, oldest first; `last` is what to ask for next. Of this process: ask each replica."""
        self._require(request)
        after = after if after <= self.inspection.inspector.last else 0  # numbers of a process that is no more
        if wait and not self.inspection.inspector.after(after):
            await self._wait(after, wait)
        found = self.inspection.inspector.after(after)[-MOST_AT_ONCE:]
        rows = [await self._row(each) for each in found]
        last = found[-1].number if found else after
        return _json({"gateway": self.inspection.gateway, "last": last, "arrivals": rows})

    async def show_arrival(self, request: Request, arrival_id: str, *, text: Text = False) -> Response:
        """One of them, with its headers; its body when it is asked for. The start of its id will do."""
        arrival = self._find(request, arrival_id)
        row = await self._row(arrival)
        row["url"] = disclosure.url(arrival)
        row["headers"] = [list(each) for each in disclosure.headers(arrival)]
        row["stored"] = [_stored(each) for each in arrival.stored]
        if text:
            row["body"] = disclosure.body(arrival)
        return _json(row)

    async def as_curl(self, request: Request, arrival_id: str) -> Response:
        """The same as a command. What it may not show is left out, and said so above it."""
        arrival = self._find(request, arrival_id)
        origin = self.addresses.requested_origin(request.scope)
        command = curl.command(arrival, self.channels.get(arrival.channel), origin=origin)
        return PlainTextResponse(command + "\n", headers={"cache-control": "no-store"})

    async def replay(self, request: Request, arrival_id: str) -> Response:
        """Takes it in once more, as if it came now but for its age: a proof that was fresh then counts."""
        arrival = self._find(request, arrival_id)
        channel = self.channels.get(arrival.channel)
        if channel is None or arrival.result == "unread":
            raise errors.StateConflict("Its body was never read, so there is nothing to take in again")
        again = replace(arrival.webhook)
        correlation.bind(new_id(), channel=channel.name)
        replay_id = correlation.correlation_id.get()
        handled = await self.webhooks.handle(channel, again, account_key=arrival.account_key)
        made = arrived(replay_id, again, channel=channel, account_key=arrival.account_key, handled=handled)
        kept = self.inspection.inspector.keep(replace(made, replay_of=arrival.id))
        return _json(await self._row(kept))

    def _require(self, request: Request) -> None:
        stated = stated_token(request.scope).encode()
        if not any(hmac.compare_digest(stated, token.encode()) for token in self.inspection.tokens):
            raise errors.CredentialMissing("Send the token that `parley listen` shows as Authorization: Bearer …")

    def _find(self, request: Request, arrival_id: str) -> Arrival:
        self._require(request)
        found = self.inspection.inspector.find(arrival_id)
        if found is None:
            raise errors.NotFound("No such arrival here: it is too old, of another process, or the start of several")
        return found

    async def _wait(self, after: int, seconds: float) -> None:
        """Until something comes, the time is over, or the gateway stops."""
        something = self.inspection.inspector.more_than(after)
        waiting = [asyncio.create_task(something), asyncio.create_task(self.stopping.wait())]
        try:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()

    async def _row(self, arrival: Arrival) -> dict[str, Any]:
        finding = await self._finding(arrival)
        account = arrival.account
        return {
            "id": arrival.id,
            "number": arrival.number,
            "gateway": self.inspection.gateway,
            "received_at": arrival.webhook.received_at,
            "channel": arrival.channel[:64],
            "tenant": account.tenant_id if account else "",
            "account_id": account.known.id if account else "",
            "method": arrival.webhook.method,
            "path": disclosure.path(arrival),
            "bytes": len(arrival.webhook.body),
            "status": arrival.status,
            "result": arrival.result,
            "reason": arrival.reason,
            "found": disclosure.without(finding.found, arrival),
            "fix": disclosure.without(finding.fix, arrival),
            "messages": len(arrival.stored),
            "receipts": arrival.receipts,
            "milliseconds": round(arrival.seconds * 1000, 1),
            "replay_of": arrival.replay_of,
        }

    async def _finding(self, arrival: Arrival) -> Finding:
        """Found out once."""
        known = self.findings.get(arrival.id)
        if known is None:
            if len(self.findings) > 2000:
                self.findings.clear()
            known = self.findings[arrival.id] = await self.inspection.diagnosis.of(arrival)
        return known


def router(opened: Opened) -> APIRouter:
    """Where the routes stand."""
    routes = APIRouter(prefix="/v1/inspector", tags=["inspector"], responses=ERRORS)
    routes.get("/arrivals")(opened.list_arrivals)
    routes.get("/arrivals/{arrival_id}")(opened.show_arrival)
    routes.get("/arrivals/{arrival_id}/curl")(opened.as_curl)
    routes.post("/arrivals/{arrival_id}/replay")(opened.replay)
    return routes


def _stored(each: Any) -> dict[str, object]:
    return {
        "message_id": each.message_id,
        "conversation_id": each.conversation_id,
        "turn_id": each.turn_id,
        "duplicate": each.duplicate,
    }


def _json(content: Mapping[str, object]) -> Response:
    return Response(orjson.dumps(content), 200, {"cache-control": "no-store"}, "application/json")
