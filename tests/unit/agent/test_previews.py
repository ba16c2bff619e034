"""Does a preview show what the model would be sent, with what it takes, and what was left out?"""

from dataclasses import dataclass, field

import pytest

from agent_service.domain.guard.guard import Guard
from agent_service.domain.guard.judge import NoJudge
from agent_service.domain.guard.violations import Violations
from agent_service.domain.previews import HISTORY, NEW, SUMMARY, SYSTEM, Previews
from agent_service.domain.turn import Story
from kit.errors import InvalidField
from parley.agent.v1.preview_pb2 import PreviewContextRequest, SaidMessage
from parley.chat.v1.message_pb2 import Role
from parley.storage.v1.directory_pb2 import Agent
from parley.storage.v1.turn_requests_pb2 import LeasedTurn
from tests.unit.agent.guarding import rules
from tests.unit.agent.telling import NOW, RULES, Models, a_turn, told
from tests.unit.agent.telling import said as was_said

OWN_RULES = rules(
    """
[[rule]]
id = "own.word"
category = "own"
action = "block"
words = ["forbidden word"]
hits = ["the forbidden word"]
misses = ["a word"]
"""
)


@dataclass
class Agents:
    """One agent, and who asked for it."""

    agent: Agent = field(default_factory=lambda: Agent(model="small", reserve_tokens=256))
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def find(self, tenant_id: str, agent_id: str) -> Agent:
        self.asked.append((tenant_id, agent_id))
        return self.agent


@dataclass
class Contexts:
    """One stored conversation."""

    turn: LeasedTurn = field(default_factory=LeasedTurn)

    async def show(self, tenant_id: str, conversation_id: str) -> LeasedTurn:
        assert (tenant_id, conversation_id) == ("t1", "c1")
        return self.turn


def previews(model: Models | None = None, agents: Agents | None = None, contexts: Contexts | None = None) -> Previews:
    guard = Guard(OWN_RULES, Violations(now=lambda: NOW), judge=NoJudge(), judge_seconds=1)
    story = Story(model or Models(), RULES, now=lambda: NOW, guard=guard)
    return Previews(agents or Agents(), contexts or Contexts(), story=story)


def said(text: str, role: Role = Role.ROLE_CONTACT) -> SaidMessage:
    return SaidMessage(role=role, text=text)


async def test_it_shows_the_parts_in_the_order_in_which_the_model_reads_them() -> None:
    request = PreviewContextRequest(
        tenant_id="t1",
        agent_id="a1",
        system_prompt="Be kind.",
        summary="They met.",
        history=[said("hola"), said("buenas", Role.ROLE_AGENT)],
        messages=[said("dónde está mi pedido?")],
    )
    agents = Agents()

    shown = await previews(agents=agents).preview(request)

    assert agents.asked == [("t1", "a1")]
    assert [part.kind for part in shown.parts] == [SYSTEM, SUMMARY, HISTORY, HISTORY, NEW]
    assert "Spanish" in shown.parts[0].text
    assert shown.parts[-1].tokens == 4 + 6
    assert sum(part.tokens for part in shown.parts) + 200 == shown.input_tokens
    assert (shown.model, shown.window_tokens, shown.reserve_tokens, list(shown.tools)) == (
        "small",
        4096,
        256,
        ["hand_off"],
    )
    assert shown.input_tokens + shown.max_output_tokens == shown.window_tokens
    assert (shown.dropped_history, shown.dropped_messages, shown.dropped_summary, shown.cut) == (0, 0, False, False)


async def test_it_says_what_did_not_fit() -> None:
    request = PreviewContextRequest(
        tenant_id="t1",
        summary="s" * 4000,
        history=[said("x" * 700), said("y" * 400)],
        messages=[said("z" * 200)],
    )

    shown = await previews(Models(window=512)).preview(request)

    assert (shown.dropped_history, shown.dropped_messages, shown.dropped_summary, shown.cut) == (1, 0, True, False)
    assert list(shown.tools) == []


async def test_it_says_that_something_was_cut() -> None:
    request = PreviewContextRequest(tenant_id="t1", system_prompt="s" * 9000, messages=[said("hello")])

    assert (await previews(Models(window=1024)).preview(request)).cut


async def test_it_is_what_a_turn_sends() -> None:
    model = Models()
    history = [was_said("a" * 3000, seq=1), was_said("b" * 9000, Role.ROLE_AGENT, seq=2), was_said("c" * 3000, seq=3)]
    question = "where is my order, please?"
    await told(a_turn(question, history=history, system_prompt="Be kind.", reserve_tokens=256), model)
    request = PreviewContextRequest(
        tenant_id="t1",
        system_prompt="Be kind.",
        history=[said(each.text, each.role) for each in history],
        messages=[said(question)],
    )

    shown = await previews().preview(request)

    sent = model.asked[0].prompt
    assert [(part.role, part.text) for part in shown.parts] == [(each.role, each.text) for each in sent.messages]
    assert len(shown.tools) == len(sent.tools)


async def test_without_a_tenant_there_is_nothing_to_show() -> None:
    with pytest.raises(InvalidField):
        await previews().preview(PreviewContextRequest(messages=[said("hello")]))


def stored() -> Contexts:
    turn = a_turn("und morgen?")
    turn.setting.system_prompt, turn.setting.summary, turn.setting.summary_seq = "Be kind.", "They met.", 1
    turn.setting.formatting, turn.setting.model = "Plain text only.", "pinned"
    turn.history.extend([was_said("long ago", seq=1), was_said("just now", seq=2)])
    return Contexts(turn)


async def test_a_stored_conversation_is_shown_as_a_turn_would_get_it() -> None:
    shown = await previews(contexts=stored()).preview(PreviewContextRequest(tenant_id="t1", conversation_id="c1"))

    assert [(part.kind, part.text.splitlines()[0]) for part in shown.parts] == [
        (SYSTEM, "Be kind."),
        (SUMMARY, "What was said before, in short: They met."),
        (HISTORY, "just now"),
        (NEW, "und morgen?"),
    ]
    assert "Plain text only." in shown.parts[0].text
    assert (shown.model, shown.dropped_history, shown.cut) == ("pinned", 1, False)


async def test_a_stored_conversation_that_nobody_waits_in_shows_what_the_model_would_know() -> None:
    contexts = stored()
    del contexts.turn.messages[:]
    shown = await previews(contexts=contexts).preview(PreviewContextRequest(tenant_id="t1", conversation_id="c1"))

    assert [part.kind for part in shown.parts] == [SYSTEM, SUMMARY, HISTORY]
    assert (shown.dropped_messages, shown.cut) == (0, False)
    assert sum(part.tokens for part in shown.parts) + 200 == shown.input_tokens


async def test_what_the_guardrails_keep_from_the_model_is_not_shown_either() -> None:
    contexts = stored()
    contexts.turn.history.extend(
        [
            was_said("Now.", Role.ROLE_AGENT, seq=3),
            was_said("the forbidden word", seq=4),
            was_said("I cannot help with that request.", Role.ROLE_AGENT, seq=5),
            was_said("to a human: the forbidden word", seq=6),
            was_said("Never say the forbidden word.", Role.ROLE_OPERATOR, seq=7),
        ]
    )

    shown = await previews(contexts=contexts).preview(PreviewContextRequest(tenant_id="t1", conversation_id="c1"))

    said_before = [part.text for part in shown.parts if part.kind == HISTORY]
    assert said_before == ["just now", "Now.", "Never say the forbidden word."]


async def test_a_stored_conversation_can_be_asked_something_that_nobody_wrote() -> None:
    request = PreviewContextRequest(tenant_id="t1", conversation_id="c1", model="other", messages=[said("what if?")])
    shown = await previews(contexts=stored()).preview(request)

    assert [part.text for part in shown.parts if part.kind == NEW] == ["what if?"]
    assert shown.model == "other"


@pytest.mark.parametrize(
    ("request_", "field_"),
    [
        (PreviewContextRequest(tenant_id="t1"), "messages"),
        (PreviewContextRequest(tenant_id="t1", conversation_id="c1", summary="no"), "summary"),
        (PreviewContextRequest(tenant_id="t1", conversation_id="c1", history=[said("no")]), "history"),
    ],
)
async def test_what_is_neither_stored_nor_made_up_is_refused_by_its_field(
    request_: PreviewContextRequest, field_: str
) -> None:
    with pytest.raises(InvalidField) as refused:
        await previews(contexts=stored()).preview(request_)
    assert [name for name, _ in refused.value.violations] == [field_]
