"""Does every prompt come to a server in an order that the strictest template takes, with all that was said?"""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_service.backends.by_turns import by_turns, role
from parley.chat.v1.message_pb2 import Role
from parley.llm.v1.prompt_pb2 import PromptMessage, ToolCall

SYSTEM, PERSON, AGENT, OPERATOR, TOOL = (
    Role.ROLE_SYSTEM,
    Role.ROLE_CONTACT,
    Role.ROLE_AGENT,
    Role.ROLE_OPERATOR,
    Role.ROLE_TOOL,
)

spoken = st.lists(
    st.builds(
        PromptMessage, role=st.sampled_from((SYSTEM, PERSON, AGENT, OPERATOR)), text=st.text("ab \n", max_size=9)
    ),
    max_size=20,
)


def say(*said: tuple[Role, str]) -> list[PromptMessage]:
    return [PromptMessage(role=role, text=text) for role, text in said]


def seen(messages: list[PromptMessage]) -> list[tuple[str, str]]:
    return [(role(each), each.text) for each in by_turns(messages)]


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ([(PERSON, "a"), (PERSON, "b")], [("user", "a\n\nb")]),
        ([(SYSTEM, "s"), (SYSTEM, "t"), (PERSON, "a")], [("system", "s\n\nt"), ("user", "a")]),
        ([(SYSTEM, "s"), (PERSON, "a"), (SYSTEM, "t")], [("system", "s\n\nt"), ("user", "a")]),
        ([(PERSON, "a"), (AGENT, "b"), (OPERATOR, "c"), (PERSON, "d")], "user assistant user"),
        ([(SYSTEM, "s"), (AGENT, "a"), (PERSON, "b")], "system user assistant user"),
        ([(OPERATOR, "a"), (PERSON, "b")], [("user", "[…]"), ("assistant", "a"), ("user", "b")]),
        ([(Role.ROLE_UNSPECIFIED, "a"), (PERSON, "b")], [("user", "a\n\nb")]),
        ([(SYSTEM, "s")], [("system", "s")]),
        ([], []),
    ],
)
def test_neighbours_are_one_message(said: list[tuple[Role, str]], sent: "list[tuple[str, str]] | str") -> None:
    found = seen(say(*said))

    assert (" ".join(role for role, _ in found) if isinstance(sent, str) else found) == sent


def test_calls_and_their_results_stay_as_they_are() -> None:
    calls = [ToolCall(id="1", name="look"), ToolCall(id="2", name="look")]
    messages = [
        *say((PERSON, "look twice"), (AGENT, "I do.")),
        PromptMessage(role=AGENT, text="", tool_calls=calls),
        PromptMessage(role=TOOL, text="one", tool_call_id="1"),
        PromptMessage(role=TOOL, text="two", tool_call_id="2"),
        PromptMessage(role=AGENT, tool_calls=calls[:1]),
        PromptMessage(role=TOOL, text="three", tool_call_id="1"),
        *say((AGENT, "Done.")),
    ]

    assert by_turns(messages) == messages


@given(spoken)
def test_roles_alternate_and_no_word_is_lost(messages: list[PromptMessage]) -> None:
    found = seen(messages)

    roles = [each for each, _ in found]
    assert "system" not in roles[1:]
    said = roles[1:] if roles[:1] == ["system"] else roles
    assert said[:1] in ([], ["user"])
    assert all(one != other for one, other in pairwise(said))
    given_ = [each.text for each in sorted(messages, key=lambda each: role(each) != "system")]
    assert "".join("".join(given_).split()) == "".join("".join(text for _, text in found).replace("[…]", "").split())


@given(spoken)
def test_what_alternates_already_is_left_alone(messages: list[PromptMessage]) -> None:
    once = by_turns(messages)

    assert by_turns(once) == once
