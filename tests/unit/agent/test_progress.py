"""What is seen of a reply while the model writes it, and what never is?"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from agent_service.domain.guard.guard import Guard
from agent_service.domain.guard.judge import NoJudge
from agent_service.domain.guard.violations import Violations
from agent_service.domain.progress import Progress, whole
from agent_service.domain.turn import Story
from kit.errors import Unreachable
from parley.chat.v1.message_pb2 import TurnState
from parley.llm.v1.llm_service_pb2 import GenerateRequest, GenerateResponse
from parley.storage.v1.signal_requests_pb2 import TurnDraft
from tests.unit.agent.guarding import engine
from tests.unit.agent.telling import NOW, RULES, Models, a_turn

SECRET = "Our discount codes are the nightingale and the lark and nobody else may hear of them today or ever."


@dataclass
class Writer:
    """A model that writes piece by piece, and whoever is shown it."""

    pieces: Sequence[str]
    granted: bool = True
    fails: bool = False
    drafts: list[TurnDraft] = field(default_factory=list)

    async def stream(
        self, request: GenerateRequest, *, seconds: float, heard: Callable[[str], None]
    ) -> GenerateResponse:
        text = ""
        for piece in self.pieces:
            text += piece
            heard(text)
            await asyncio.sleep(0.01)
        return GenerateResponse(text=text)

    async def share(self, draft: TurnDraft) -> bool:
        if self.fails:
            raise Unreachable
        self.drafts.append(draft)
        return self.granted

    @property
    def shown(self) -> list[str]:
        return [each.text for each in self.drafts]

    def story(self, *, guarded: bool = False) -> Story:
        guard = Guard(engine(), Violations(now=lambda: NOW), judge=NoJudge(), judge_seconds=1)
        progress = Progress(self.stream, self.share, every_seconds=0)
        return Story(Models(), RULES, now=lambda: NOW, guard=guard if guarded else None, progress=progress)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("", ""),
        ("Half a sen", ""),
        ("One. Half", "One."),
        ("One. Two! Half", "One. Two!"),
        ("It costs 4.50 and", ""),
        ("See https://example.com/a.b for", ""),
        ('He said "no." Then', 'He said "no."'),
        ("- one\n- two\n- thr", "- one\n- two\n"),
        ("Warum? Weil", "Warum?"),
        ("\u3053\u308c\u306f\u3002\u6b21", "\u3053\u308c\u306f\u3002"),
        ("नमस्ते। आप कैसे", "नमस्ते।"),
        ("هل وصل الطلب؟ أظن", "هل وصل الطلب؟"),
        ("\u06c1\u06d2\u06d4 \u06a9", "\u06c1\u06d2\u06d4"),
    ],
)
def test_only_whole_sentences_are_seen(text: str, seen: str) -> None:
    assert whole(text) == seen


async def test_sentences_are_seen_as_they_come_and_the_reply_is_whole() -> None:
    writer = Writer(["One. ", "Two. ", "And a half"])
    ending = await writer.story().tell(a_turn("hello", progressive=True, owner_epoch=3))
    assert ending.replies == ("One. Two. And a half",)
    assert writer.shown == ["One.", "One. Two."]
    first = writer.drafts[0]
    assert (first.turn_id, first.epoch, first.owner_epoch) == ("u1", 1, 3)


async def test_nothing_is_seen_where_the_account_does_not_ask_for_it() -> None:
    writer = Writer(["One. ", "Two. "])
    ending = await writer.story().tell(a_turn("hello"))
    assert (ending.state, writer.shown) == (TurnState.TURN_STATE_REPLIED, [])


async def test_what_the_guardrails_would_withhold_is_not_seen_either() -> None:
    writer = Writer(["Of course. ", f"{SECRET} ", "Anything else? ", "Good bye. "])
    turn = a_turn("any news today?", progressive=True, system_prompt=f"Be kind. {SECRET}")
    ending = await writer.story(guarded=True).tell(turn)
    assert ending.state == TurnState.TURN_STATE_FAILED
    assert writer.shown == ["Of course."]
    assert not any("nightingale" in each for each in (*writer.shown, *ending.replies))


async def test_whoever_may_show_no_more_is_told_no_more() -> None:
    writer = Writer(["One. ", "Two. ", "Three. "], granted=False)
    ending = await writer.story().tell(a_turn("hello", progressive=True))
    assert writer.shown == ["One."]
    assert ending.replies == ("One. Two. Three. ",)


async def test_a_storage_that_is_away_keeps_no_reply_waiting() -> None:
    ending = await Writer(["One. ", "Two. "], fails=True).story().tell(a_turn("hello", progressive=True))
    assert ending.replies == ("One. Two. ",)
