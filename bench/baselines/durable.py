"""A durable peer: FastAPI and procrastinate on Postgres, a lock per chat, a retry, as its how-to guides advise.

The same module is the web app (uvicorn --factory) and the worker (procrastinate --app …durable.queue worker).
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import LiteralString, cast

import httpx
import procrastinate
from fastapi import FastAPI, Request, Response
from psycopg_pool import AsyncConnectionPool
from twilio.request_validator import RequestValidator

HISTORY = 10
TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'
SCHEMA: LiteralString = """
CREATE TABLE IF NOT EXISTS peer_messages (
    id bigserial PRIMARY KEY, external_id text UNIQUE, chat text NOT NULL, role text NOT NULL, text text NOT NULL);
CREATE INDEX IF NOT EXISTS peer_messages_chat ON peer_messages (chat, id);
"""
INSERT: LiteralString = (
    "INSERT INTO peer_messages (external_id, chat, role, text) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
)
NEWEST: LiteralString = "SELECT role, text FROM peer_messages WHERE chat = %s ORDER BY id DESC LIMIT %s"

DATABASE = os.environ.get("BENCH_DATABASE_URL", "")
queue = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=DATABASE, max_size=20))
pool = AsyncConnectionPool(DATABASE, open=False, max_size=20)
client = httpx.AsyncClient(timeout=10, limits=httpx.Limits(max_connections=100))


@queue.task(queue="replies", retry=procrastinate.RetryStrategy(max_attempts=5, exponential_wait=2))
async def answer(chat: str, to: str) -> None:
    """Thinks, remembers, replies; the lock of the chat keeps its answers in order."""
    world, sid = os.environ["BENCH_WORLD_URL"], os.environ["BENCH_ACCOUNT_SID"]
    await pool.open()
    async with pool.connection() as connection:
        rows = await (await connection.execute(NEWEST, (chat, HISTORY))).fetchall()
    asked = [{"role": role, "content": text} for role, text in reversed(rows)]
    body = {"model": "instant", "stream": False, "messages": asked}
    text = cast("str", (await client.post(f"{world}/api/chat", json=body)).json()["message"]["content"])
    async with pool.connection() as connection:
        await connection.execute(INSERT, (None, chat, "assistant", text))
    form = {"From": to, "To": chat, "Body": text}
    await client.post(f"{world}/2010-04-01/Accounts/{sid}/Messages.json", data=form, auth=(sid, "token"))


def app() -> FastAPI:
    """The web half: verify, insert, defer, answer."""
    validator = RequestValidator(os.environ["BENCH_AUTH_TOKEN"])

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await pool.open()
        async with pool.connection() as connection:
            await connection.execute(SCHEMA)
        async with queue.open_async():
            yield
        await pool.close()

    service = FastAPI(lifespan=lifespan)

    @service.post("/webhook/whatsapp")
    async def webhook(request: Request) -> Response:
        form = {key: str(value) for key, value in (await request.form()).items()}
        if not validator.validate(str(request.url), form, request.headers.get("x-twilio-signature", "")):
            return Response(status_code=403)
        async with pool.connection() as connection:
            row = (form["MessageSid"], form["From"], "user", form["Body"])
            fresh = (await connection.execute(INSERT, row)).rowcount
        if fresh:
            await answer.configure(lock=form["From"]).defer_async(chat=form["From"], to=form["To"])
        return Response(TWIML, media_type="text/xml")

    return service
