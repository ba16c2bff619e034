"""What does `parley chat` do? A conversation in the terminal, through the same web chat API as the page's."""

import asyncio
import contextlib
import json
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import CancelledError

import httpx

from kit.command import reaching, services
from kit.command.screen import Mistake, say
from kit.ids import new_id

SETTLED_SECONDS = 1.0  # without a word, after several things were said: a turn begins sooner than that
LAST_ANSWER_SECONDS = 60.0  # how long the end of piped input waits for what is still to be answered
RECONNECT_SECONDS = 1.0
MOST_TRIES = 10
NAMES = {"agent": "agent", "operator": "person"}


class Conversation:
    """One session with a gateway."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._seen_seq = 0
        self._asked_seq = 0
        self._asked = 0
        self._is_thinking = False
        self._heard = asyncio.Event()
        self._answered = asyncio.Event()
        self._answered.set()

    async def begin(self) -> None:
        """Gets a session token, which every later request carries. A mesh that has just begun is waited for."""
        for _ in range(MOST_TRIES):
            answer = await self._client.post("/v1/chat/sessions", json={})
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            await asyncio.sleep(RECONNECT_SECONDS)
        self._client.headers["authorization"] = f"Bearer {_checked(answer)['token']}"

    async def speak(self, text: str) -> None:
        """Stores a message; the same Idempotency-Key makes a repeat harmless."""
        headers = {"idempotency-key": new_id()}
        self._answered.clear()
        self._asked += 1
        answer = await self._client.post("/v1/chat/messages", json={"text": text}, headers=headers)
        seq = int(str(_checked(answer)["seq"]))
        if seq <= self._asked_seq:  # What was said before is erased, and this is another conversation.
            self._seen_seq = 0
        self._asked_seq = seq
        self._note_answers()

    async def listen(self) -> None:
        """Shows what the other side says, and goes on where it was when the connection is lost."""
        while True:
            with contextlib.suppress(httpx.HTTPError):
                async for kind, message in self._events():
                    self._heard.set()
                    if kind == "thinking":
                        self._is_thinking = bool(message["thinking"])
                        continue
                    self._seen_seq = max(self._seen_seq, int(str(message["seq"])))
                    if message["role"] in NAMES:
                        say(f"{NAMES[str(message['role'])]}: {message['text']}", "cyan")
                        self._note_answers()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def wait_answered(self) -> None:
        """Returns when the last thing said was answered. Of several the first may be answered by itself, after all were
        said: then nothing may come for a moment, nor be thought about."""
        await self._answered.wait()
        with contextlib.suppress(TimeoutError):
            while self._asked > 1:
                self._heard.clear()
                async with asyncio.timeout(None if self._is_thinking else SETTLED_SECONDS):
                    await self._heard.wait()

    def _note_answers(self) -> None:
        if self._seen_seq > self._asked_seq:
            self._answered.set()

    async def _events(self) -> AsyncIterator[tuple[str, dict[str, object]]]:
        self._is_thinking = False  # until this stream says so
        timeout = httpx.Timeout(10, read=60)
        wanted = {"after_seq": str(self._seen_seq)}
        async with self._client.stream("GET", "/v1/chat/events", params=wanted, timeout=timeout) as answer:
            kind = ""
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                kind = value if name == "event" else kind
                if name == "data" and kind in ("message", "thinking"):
                    yield kind, json.loads(value)


async def chat(url: str | None) -> None:
    """Talks until the end of the input."""
    gateway = services.settings_of(services.named("gateway"))
    base = reaching.base_url(url, gateway)
    async with reaching.web(base, timeout_seconds=15, base_url=base) as client:
        conversation = Conversation(client)
        try:
            await conversation.begin()
            await _talk(conversation)
        except httpx.ConnectError as error:
            raise Mistake(
                f"no gateway answers at {base}", fix="start it: parley up; or name it: --url", code=1
            ) from error
        except httpx.HTTPError as error:
            raise Mistake(f"the gateway did not answer: {type(error).__name__}", fix="parley doctor", code=1) from error


async def _talk(conversation: Conversation) -> None:
    if sys.stdin.isatty():
        say("You are talking to the agent. Ctrl-D ends it.", "dim")
    listening = asyncio.create_task(conversation.listen())
    try:
        async for line in _lines():
            await conversation.speak(line)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(conversation.wait_answered(), LAST_ANSWER_SECONDS)
    finally:
        listening.cancel()


async def _lines() -> AsyncIterator[str]:
    """What is typed, line by line, without holding up what is heard, or the end: nobody waits for this thread."""
    loop, typed = asyncio.get_running_loop(), asyncio.Queue[str](1)

    def read() -> None:
        # Not sys.stdin itself, whose lock Python wants back when it ends.
        with (
            contextlib.suppress(RuntimeError, CancelledError),  # when the talk has ended
            open(sys.stdin.fileno(), encoding=sys.stdin.encoding, errors="replace", closefd=False) as source,
        ):
            for line in iter(source.readline, ""):
                asyncio.run_coroutine_threadsafe(typed.put(line), loop).result()
            asyncio.run_coroutine_threadsafe(typed.put(""), loop).result()

    threading.Thread(target=read, name="typed", daemon=True).start()
    while line := await typed.get():
        if line.strip():
            yield line.strip()


def _checked(answer: httpx.Response) -> dict[str, object]:
    """The body of a good answer; the gateway's own words for a bad one."""
    if answer.is_success:
        body: dict[str, object] = answer.json()
        return body
    try:
        said = str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        said = answer.reason_phrase
    raise Mistake(f"the gateway says {answer.status_code}: {said}", fix="parley doctor", code=1)
