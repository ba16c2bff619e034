"""The usual start: FastAPI, a background task after the 200, an ORM row per message, a shared httpx client.

Settings come as arguments of `app`; run by uvicorn with --factory through BENCH_* of its environment.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
from fastapi import BackgroundTasks, FastAPI, Request, Response
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from twilio.request_validator import RequestValidator

HISTORY = 10
TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'


class BenchMessage(SQLModel, table=True):
    """One message of a chat."""

    id: int | None = Field(default=None, primary_key=True)
    external_id: str | None = Field(default=None, unique=True)
    chat: str = Field(index=True)
    role: str
    text: str
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))


class Answering:
    """What the background task does after the 200."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], world: str, sid: str) -> None:
        self._sessions, self._world, self._sid = sessions, world, sid
        self.client = httpx.AsyncClient(timeout=10, limits=httpx.Limits(max_connections=100))

    async def answer(self, chat: str, to: str) -> None:
        async with self._sessions() as session:
            newest = select(BenchMessage).where(BenchMessage.chat == chat).order_by(col(BenchMessage.id).desc())
            history = list(reversed((await session.exec(newest.limit(HISTORY))).all()))
            said = [{"role": m.role, "content": m.text} for m in history]
            asked = {"model": "instant", "stream": False, "messages": said}
            text = (await self.client.post(f"{self._world}/api/chat", json=asked)).json()["message"]["content"]
            session.add(BenchMessage(chat=chat, role="assistant", text=text))
            await session.commit()
        form = {"From": to, "To": chat, "Body": text}
        url = f"{self._world}/2010-04-01/Accounts/{self._sid}/Messages.json"
        await self.client.post(url, data=form, auth=(self._sid, "token"))


def app() -> FastAPI:
    """The whole service."""
    engine = create_async_engine(os.environ["BENCH_DATABASE_URL"], pool_size=20)
    sessions = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
    validator = RequestValidator(os.environ["BENCH_AUTH_TOKEN"])
    answering = Answering(sessions, os.environ["BENCH_WORLD_URL"], os.environ["BENCH_ACCOUNT_SID"])

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with engine.begin() as connection:
            await connection.run_sync(SQLModel.metadata.create_all)
        yield
        await answering.client.aclose()
        await engine.dispose()

    service = FastAPI(lifespan=lifespan)

    @service.post("/webhook/whatsapp")
    async def webhook(request: Request, tasks: BackgroundTasks) -> Response:
        form = {key: str(value) for key, value in (await request.form()).items()}
        if not validator.validate(str(request.url), form, request.headers.get("x-twilio-signature", "")):
            return Response(status_code=403)
        async with sessions() as session:
            row = BenchMessage(external_id=form["MessageSid"], chat=form["From"], role="user", text=form["Body"])
            session.add(row)
            try:
                await session.commit()
            except IntegrityError:
                return Response(TWIML, media_type="text/xml")
        tasks.add_task(answering.answer, form["From"], form["To"])
        return Response(TWIML, media_type="text/xml")

    return service
