"""What does a prompt say, what did it say before, and which version do new conversations get?"""

import difflib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import grpc

from kit.command import reaching
from kit.command.screen import Mistake, cell, printable, say, table
from kit.command.tenants import storage_of
from kit.errors import NotFound
from kit.ids import new_id
from kit.moments import moment
from parley.storage.v1 import directory_requests_pb2 as requests
from parley.storage.v1.directory_pb2 import PromptVersion
from parley.storage.v1.directory_service_pb2_grpc import DirectoryServiceStub

BEGINNING = 60


async def listing(tenant: str, name: str) -> None:
    """Newest first."""
    rows = [
        (
            str(each.number),
            "*" if each.live else "",
            cell(moment(each.created_at)),
            str(len(each.text)),
            _beginning(each.text),
        )
        for each in await _versions(tenant, name)
    ]
    table(("version", "live", "since", "characters", "begins"), rows)


async def diff(tenant: str, name: str, *, before: int, after: int) -> None:
    """As patch and git understand it."""
    found = {each.number: each.text for each in await _versions(tenant, name)}
    for number in (before, after):
        if number not in found:
            raise Mistake(f"the prompt {name!r} has no version {number}", fix=_look(tenant, name), code=1)
    old, new = found[before].splitlines(), found[after].splitlines()
    changed = list(difflib.unified_diff(old, new, f"{name} {before}", f"{name} {after}", lineterm=""))
    for line in changed:
        say(printable(line))
    if not changed:
        say(f"version {before} and version {after} say the same")


async def add(tenant: str, name: str, *, file: Path, live: bool) -> None:
    """The file's text as it stands, without the blank lines around it."""
    text = _read(file)
    wanted = requests.CreatePromptVersionRequest(
        tenant_id=tenant, request_id=new_id(), prompt_name=name, text=text, live=live
    )
    async with storage_of(tenant) as storage:
        made = await DirectoryServiceStub(storage).CreatePromptVersion(wanted, timeout=reaching.CALL_SECONDS)
    _tell(name, made.version)


async def set_live(tenant: str, name: str, *, number: int) -> None:
    """Says it, whether or not it was live before."""
    wanted = requests.SetLivePromptVersionRequest(tenant_id=tenant, prompt_name=name, number=number)
    what = f"there is no version {number} of a prompt {name!r}"
    async with _found(tenant, what, fix=_look(tenant, name)) as storage:
        done = await DirectoryServiceStub(storage).SetLivePromptVersion(wanted, timeout=reaching.CALL_SECONDS)
    _tell(name, done.version)


async def _versions(tenant: str, name: str) -> Sequence[PromptVersion]:
    wanted = requests.ListPromptVersionsRequest(tenant_id=tenant, prompt_name=name)
    fix = f"see its name, or make it: parley prompts add {name} FILE"
    async with _found(tenant, f"there is no prompt {name!r} in tenant {tenant!r}", fix=fix) as storage:
        found = await DirectoryServiceStub(storage).ListPromptVersions(wanted, timeout=reaching.CALL_SECONDS)
    return found.versions


@asynccontextmanager
async def _found(tenant: str, what: str, *, fix: str) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to storage. What it does not find is said in these words."""
    async with storage_of(tenant) as storage:
        try:
            yield storage
        except NotFound as error:
            raise Mistake(what, fix=fix, code=1) from error
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                raise Mistake(what, fix=fix, code=1) from error
            raise


def _read(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Mistake(f"{file} cannot be read ({type(error).__name__})", fix="name a text file in UTF-8") from error
    if not text:
        raise Mistake(f"{file} is empty", fix="write the prompt into it")
    return text


def _tell(name: str, version: PromptVersion) -> None:
    live = "live: new conversations get it" if version.live else "not live yet"
    say(f"version {version.number} of {name} is {live}")


def _look(tenant: str, name: str) -> str:
    return f"parley prompts list {name}" + ("" if tenant == "default" else f" --tenant {tenant}")


def _beginning(text: str) -> str:
    line = printable(text.split("\n", 1)[0]).replace("\t", " ")
    return line if len(line) <= BEGINNING else line[: BEGINNING - 1] + "…"
