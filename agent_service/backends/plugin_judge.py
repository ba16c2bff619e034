"""What does a judge say that another team runs? JudgeService over gRPC; all but a clear verdict is no opinion."""

import re
from collections.abc import Mapping

import grpc

from agent_service.domain.guard.judge import NoOpinion, Opinion, Suspicion, shortened
from kit import logs
from parley.guard.v1 import judge_service_pb2 as guard
from parley.guard.v1.judge_service_pb2_grpc import JudgeServiceStub

# What the contract lets a request hold.
MOST_TEXTS, MOST_CHARACTERS, MOST_RULES = 64, 6_000, 64
OPINIONS: Mapping[int, Opinion] = {
    guard.JUDGE_VERDICT_HARMLESS: Opinion.HARMLESS,
    guard.JUDGE_VERDICT_ATTACK: Opinion.ATTACK,
}

# Anything else might be a piece of the text.
_code = re.compile(r"[a-z][a-z_.-]{0,31}").fullmatch


class PluginJudge:
    """Asks once; the channel asks again where the plug-in is away and there is time."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = JudgeServiceStub(channel)
        self._log = logs.get("agent.guard")

    async def judge(self, suspicion: Suspicion, *, seconds: float) -> Opinion:
        try:
            said = await self._stub.Judge(_request(suspicion), timeout=seconds)
        except grpc.aio.AioRpcError as error:
            raise NoOpinion(error.code().name.lower()) from None
        opinion = OPINIONS.get(said.verdict, Opinion.UNKNOWN)
        code = said.reason_code if _code(said.reason_code) else ""
        self._log.info("guard.judged", outcome=opinion.value, code=code, tenant=suspicion.tenant_id)
        return opinion


def _request(suspicion: Suspicion) -> guard.JudgeRequest:
    """Of more messages than it holds, the newest."""
    texts = [shortened(text, MOST_CHARACTERS) for text in suspicion.texts if text]
    return guard.JudgeRequest(
        tenant_id=suspicion.tenant_id,
        texts=texts[-MOST_TEXTS:],
        rule_ids=suspicion.rules[:MOST_RULES],
        categories=suspicion.categories[:MOST_RULES],
        language=suspicion.language,
    )
