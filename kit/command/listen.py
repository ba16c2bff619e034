"""What does `parley listen` do? Shows each webhook as it comes in, why one was refused, and plays one once more."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from kit.command import reaching, services
from kit.command.listen_options import Looking
from kit.command.screen import Mistake, document, printable, say
from kit.credentials import inspector_token, mesh_token

WAIT_SECONDS = 20.0
CALL_SECONDS = 10.0
AGAIN_SECONDS = 1.0
NO_ROUTE = "Not Found"  # what the gateway says of a path that it does not have
AWAY = (502, 503, 504)
GOOD = ("accepted", "answered", "nothing", "duplicate")
STYLES = {"accepted": "green", "answered": "green", "nothing": "", "duplicate": "cyan", "not_now": "yellow"}
OFF = "start the gateway with WEBHOOK_INSPECTOR=on; parley up does so where HTTP_HOST is this machine alone"

Row = Mapping[str, Any]


async def listen(looking: Looking) -> int:
    """Follows until Ctrl-C, unless one is named. Returns the exit code."""
    gateway = services.settings_of(services.named("gateway"))
    reaching.require_a_credential(gateway)
    token = inspector_token(mesh_token(gateway))
    bases = [reaching.base_url(each, gateway) for each in looking.urls or (None,)]
    if looking.page:
        for base in bases:
            say(f"{base}/inspector#token={token}")
        return 0
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(headers=headers, timeout=CALL_SECONDS + WAIT_SECONDS, trust_env=False) as client:
        gateways = [Gateway(client, base) for base in bases]
        if looking.arrival is not None or looking.replay is not None or looking.curl is not None:
            return await _one(gateways, looking)
        if not looking.as_json:
            say(f"listening at {', '.join(bases)}; each process shows what it took in itself. Ctrl-C ends it")
        await asyncio.gather(*(_follow(each, looking) for each in gateways))
    return 0


@dataclass(frozen=True, slots=True)
class Gateway:
    """The inspector of one process."""

    client: httpx.AsyncClient
    base: str

    async def ask(self, path: str, *, method: str = "GET", **query: Any) -> httpx.Response:
        """Raises Mistake, and httpx.HTTPError when it does not answer."""
        answer = await self.client.request(method, f"{self.base}/v1/inspector/{path}", params=query)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            fix = "run this where the mesh runs, with its DATA_DIR (whose mesh.token it reads) or its MESH_TOKEN"
            raise Mistake("the gateway refuses our token", fix=fix, code=1)
        if answer.status_code in AWAY:  # says what stands before a gateway that restarts
            raise httpx.HTTPStatusError("no answer", request=answer.request, response=answer)
        if answer.is_success:
            return answer
        said = _message(answer)
        if answer.status_code == httpx.codes.NOT_FOUND and said == NO_ROUTE:
            raise Mistake(f"the gateway at {self.base} keeps no webhooks", fix=OFF, code=1)
        if answer.status_code != httpx.codes.NOT_FOUND or not said:
            said = printable(said) or f"what answers at {self.base} is no gateway ({answer.status_code})"
            raise Mistake(said, fix="name the gateway: --url", code=1)
        return answer


def _message(answer: httpx.Response) -> str:
    """The words of a gateway's refusal; empty for a page that is none of its."""
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return ""


async def _one(gateways: Sequence[Gateway], looking: Looking) -> int:
    """What is asked of a single arrival; with several gateways, of the one that has it."""
    named = looking.curl or looking.replay or looking.arrival
    if not named:  # of a script whose variable is empty
        raise Mistake("the ID is empty", fix="parley listen shows those that are there")
    for gateway in gateways:
        try:
            if looking.curl:
                answer = await gateway.ask(f"arrivals/{looking.curl}/curl")
            elif looking.replay:
                answer = await gateway.ask(f"arrivals/{looking.replay}/replay", method="POST")
            else:
                answer = await gateway.ask(f"arrivals/{looking.arrival}", text=looking.text)
        except httpx.HTTPError:
            raise _no_answer(gateway) from None
        if answer.status_code == httpx.codes.OK:
            return _told(answer, looking)
    fix = "it may be older than an hour, or of another process: parley listen shows those that are there"
    raise Mistake(f"there is no webhook {named!r}", fix=fix, code=1)


def _told(answer: httpx.Response, looking: Looking) -> int:
    if looking.curl:
        sys.stdout.write(answer.text)
        return 0
    row = answer.json()
    if looking.as_json:
        document(row)
    elif looking.replay:
        _show(row)
    else:
        _show_whole(row)
    return 0 if row["result"] in GOOD else 1


async def _follow(gateway: Gateway, looking: Looking) -> None:
    """One line per webhook, as it comes. A gateway that restarts is waited for, and begins to count anew."""
    last, known = 0, ""
    while True:
        try:
            heard = (await gateway.ask("arrivals", after=last, wait=0 if looking.once else WAIT_SECONDS)).json()
        except httpx.HTTPError:
            if not known:
                raise _no_answer(gateway) from None
            await asyncio.sleep(AGAIN_SECONDS)
            continue
        if known not in ("", heard["gateway"]):
            last, known = 0, heard["gateway"]
            continue
        last, known = heard["last"], heard["gateway"]
        for row in heard["arrivals"]:
            if looking.refused and row["result"] in GOOD and not row["reason"]:
                continue
            _show(row) if not looking.as_json else _print_json(row)
        if looking.once:
            return


def _no_answer(gateway: Gateway) -> Mistake:
    return Mistake(f"no gateway answers at {gateway.base}", fix="start it: parley up; or name it: --url", code=1)


def _print_json(row: Row) -> None:
    sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _show(row: Row) -> None:
    when = datetime.fromisoformat(row["received_at"]).astimezone()
    result = row["result"].replace("_", " ") + (f" ({row['reason']})" if row["reason"] else "")
    again = f" replay of {row['replay_of']}" if row["replay_of"] else ""
    carries = _count(row["messages"], "message") + _count(row["receipts"], "receipt")
    line = f"{when:%H:%M:%S} {row['status']} {row['channel']:<14} {result}{carries}{again} {row['id']}"
    say(printable(line), STYLES.get(row["result"], "red"))
    for name in ("found", "fix"):
        if row[name]:
            say(printable(f"         {'fix: ' if name == 'fix' else ''}{row[name]}"))


def _show_whole(row: Row) -> None:
    _show(row)
    say(printable(f"{row['method']} {row['url']}"), "bold")
    for name, value in row["headers"]:
        say(printable(f"  {name}: {value}"))
    for each in row["stored"]:
        what = "was here as" if each["duplicate"] else "stored as"
        turn = each["turn_id"] or "none"
        say(f"  {what} message {each['message_id']}, conversation {each['conversation_id']}, turn {turn}")
    if "body" in row:
        say()
        say(printable(row["body"]))
    elif row["bytes"]:
        say(f"  body: {row['bytes']} bytes; --text shows it, a person's words included")


def _count(number: int, what: str) -> str:
    return f", {number} {what}{'s' if number > 1 else ''}" if number else ""
