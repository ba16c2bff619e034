"""Does a message stay within what the contract says of each field?"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from kit import contract
from kit.errors import InvalidField
from kit.limits import validator
from kit.moments import span
from kit.statuses import MOST_VIOLATIONS
from kit.unkept import unkept
from parley.agent.v1.agent_service_pb2 import HandleMessageRequest, HandleMessageResponse
from parley.chat.v1.message_pb2 import (
    TURN_STATE_FAILED,
    TURN_STATE_UNSPECIFIED,
    TURN_STATE_WAITING,
    ChannelMessage,
    Owner,
)
from parley.llm.v1.llm_service_pb2 import GenerateRequest
from parley.llm.v1.prompt_pb2 import Prompt, PromptMessage
from parley.storage.v1.conversation_service_pb2 import ListConversationsRequest, ListTurnsRequest
from parley.storage.v1.directory_requests_pb2 import CreateApiKeyRequest
from parley.storage.v1.inbox_service_pb2 import AcceptRequest, Submission
from parley.storage.v1.turn_requests_pb2 import LeaseTurnsRequest
from storage_service.domain.api_keys import GRANTABLE

LOOKED_AT_ELSEWHERE = {
    # Where it is stored, with the same words.
    "parley.storage.v1.ChannelAccount.state",
    "parley.storage.v1.ChannelAccount.unknown_policy",
    "parley.storage.v1.SetAccountStateRequest.state",
    "parley.storage.v1.SetOwnerRequest.owner",
    "parley.storage.v1.QueueMessageRequest.role",
    "parley.chat.v1.Attachment.kind",
    # Only shown: what a caller says of it is not read.
    "parley.chat.v1.Attachment.media_state",
    "parley.storage.v1.AccountHealth.state",
}


def violations(message: object) -> dict[str, str]:
    """What is wrong with it."""
    validate = validator(message.DESCRIPTOR)  # type: ignore[attr-defined]
    assert validate is not None
    try:
        validate(message)  # type: ignore[arg-type]
    except InvalidField as error:
        return dict(error.violations)
    return {}


@dataclass(frozen=True)
class Way:
    """How to get from a request to a message within it."""

    request: Descriptor
    fields: tuple[FieldDescriptor, ...] = ()

    @property
    def ends_in(self) -> Descriptor:
        return (self.fields[-1].message_type or self.request) if self.fields else self.request

    def walk(self) -> tuple[Message, Any, str]:
        """A new request, the message within it, and its path."""
        request: Message = GetMessageClass(self.request)()
        inside, path = request, ""
        for field in self.fields:
            there = getattr(inside, field.name)
            inside = there.add() if field.is_repeated else there
            inside.SetInParent()
            path += f"{field.name}[0]." if field.is_repeated else f"{field.name}."
        return request, inside, path


def ways(request: Descriptor, fields: tuple[FieldDescriptor, ...] = ()) -> Iterator[Way]:
    way = Way(request, fields)
    yield way
    for field in way.ends_in.fields:
        kind = field.message_type
        if kind is not None and kind.full_name.startswith("parley.") and not kind.GetOptions().map_entry:
            yield from ways(request, (*fields, field))


def said(**more: object) -> HandleMessageRequest:
    """A valid request, and what the test changes."""
    fields = {"tenant_id": "t", "request_id": "r", "chat_id": "c", "text": "hello", **more}
    return HandleMessageRequest(**fields)  # type: ignore[arg-type]


def test_a_message_within_its_limits_passes() -> None:
    assert violations(said()) == {}
    assert violations(said(text="é" * 65536)) == {}


def test_each_field_out_of_its_limits_is_named() -> None:
    assert violations(said(text="é" * 65537, chat_id="")) == {
        "text": "is longer than 65536",
        "chat_id": "is required",
    }


def test_numbers_messages_and_durations_have_limits() -> None:
    assert violations(GenerateRequest(tenant_id="t")) == {"prompt": "is required"}
    prompt = Prompt(max_output_tokens=131073, messages=[PromptMessage(text="x")])
    assert violations(GenerateRequest(tenant_id="t", prompt=prompt)) == {
        "prompt.max_output_tokens": "is more than 131072",
        "prompt.messages[0].role": "is required",
    }
    for wait in (timedelta(seconds=-1), timedelta(days=1)):
        lease = LeaseTurnsRequest(worker_id="w", max_turns=1, wait=span(wait), lease=span(timedelta(seconds=30)))
        assert list(violations(lease)) == ["wait"]


@pytest.mark.parametrize(("temperature", "is_wrong"), [(0.0, 0), (2.0, 0), (-0.1, 1), (2.1, 1), ("nan", 1), ("inf", 1)])
def test_a_temperature_is_one_that_a_model_knows(temperature: float, is_wrong: int) -> None:
    prompt = Prompt(messages=[PromptMessage()], temperature=float(temperature))
    assert ("prompt.temperature" in violations(GenerateRequest(tenant_id="t", prompt=prompt))) == bool(is_wrong)


def test_repeated_fields_have_limits_for_the_list_and_for_each_item() -> None:
    assert violations(AcceptRequest()) == {"submissions": "is required"}
    key = CreateApiKeyRequest(tenant_id="t", request_id="r", name="n", scopes=["x" * 65])
    assert violations(key) == {"scopes": "has an item longer than 64"}
    key.scopes[:] = ["x"] * 33
    assert violations(key) == {"scopes": "has more than 32 items"}


def test_an_enum_is_one_that_the_contract_names_and_as_an_item_not_unspecified() -> None:
    asked = ListConversationsRequest(tenant_id="t")
    for owner in Owner.values():
        asked.owner = owner  # type: ignore[assignment]  # it is a number there
        assert violations(asked) == {}
    for unknown in (99, -1):
        asked.owner = unknown  # type: ignore[assignment]  # as a newer caller would
        assert violations(asked) == {"owner": "is not a known value"}
    assert violations(ListTurnsRequest(tenant_id="t", states=[TURN_STATE_FAILED, TURN_STATE_WAITING])) == {}
    for states in ([99], [TURN_STATE_FAILED, -1], [TURN_STATE_UNSPECIFIED]):
        refused = ListTurnsRequest(tenant_id="t", states=states)  # type: ignore[arg-type]
        assert violations(refused) == {"states": "has an item that is not a known value"}


@pytest.mark.parametrize("rpc", [each for each in contract.rpcs() if each.scope in GRANTABLE], ids=lambda rpc: rpc.path)
def test_every_enum_that_an_api_key_sends_is_looked_at(rpc: contract.Rpc) -> None:
    for way in ways(rpc.request):
        for field in way.ends_in.fields:
            if field.enum_type is not None and field.full_name not in LOOKED_AT_ELSEWHERE:
                request, inside, path = way.walk()
                if field.is_repeated:
                    getattr(inside, field.name).append(99)
                else:
                    setattr(inside, field.name, 99)
                assert "is not a known value" in violations(request).get(f"{path}{field.name}", ""), field.full_name


def test_a_field_deep_inside_is_named_by_its_path() -> None:
    submission = Submission(tenant_id="t", account_id="a", messages=[ChannelMessage()])
    assert "submissions[0].messages[0].chat_id" in violations(AcceptRequest(submissions=[submission]))


def test_a_time_lies_in_years_that_every_part_can_hold() -> None:
    message = ChannelMessage(channel="sms", account_id="a", chat_id="c", sender_id="c", provider_message_id="m")
    assert violations(message) == {}
    for seconds in (0, 253_370_764_799):
        message.provider_at.seconds = seconds
        assert violations(message) == {}
    for seconds in (-62_135_596_800, -1, 253_370_764_800):
        message.provider_at.seconds = seconds
        assert violations(message) == {"provider_at": "is not in the years 1970 to 9998"}


@pytest.mark.parametrize("rpc", list(contract.rpcs()), ids=lambda rpc: rpc.path)
def test_every_time_of_every_request_is_looked_at(rpc: contract.Rpc) -> None:
    for way in ways(rpc.request):
        for field in way.ends_in.fields:
            if field.message_type is not None and field.message_type.full_name == "google.protobuf.Timestamp":
                request, inside, path = way.walk()
                getattr(inside, field.name).seconds = -1
                assert f"{path}{field.name}" in violations(request)


@pytest.mark.parametrize("rpc", [each for each in contract.rpcs() if each.keeps], ids=lambda rpc: rpc.path)
def test_a_nul_is_found_in_every_string_of_what_is_kept(rpc: contract.Rpc) -> None:
    for way in ways(rpc.request):
        for field in way.ends_in.fields:
            request, inside, path = way.walk()
            place = f"{path}{field.name}"
            if field.message_type is not None and field.message_type.GetOptions().map_entry:
                getattr(inside, field.name)["key"] = "n\0t"
            elif field.type == FieldDescriptor.TYPE_STRING and field.is_repeated:
                getattr(inside, field.name).append("n\0t")
                place += "[0]"
            elif field.type == FieldDescriptor.TYPE_STRING:
                setattr(inside, field.name, "n\0t")
            else:
                continue
            assert unkept(request) == [(place, "holds a NUL, which not every database can keep")]


def test_only_what_is_kept_is_looked_at_for_a_nul_and_bytes_may_hold_one() -> None:
    message = ChannelMessage(channel="sms", account_id="a", chat_id="c", sender_id="c", provider_message_id="m")
    message.metadata["k\0"] = ""
    assert violations(message) == {}
    assert [path for path, _ in unkept(message)] == ["metadata"]
    assert unkept(Submission(raw_payload=b"\0")) == []
    assert {each.service.split(".")[1] for each in contract.rpcs() if each.keeps} == {"storage"}


def test_not_more_violations_are_reported_than_fit() -> None:
    submissions = [Submission() for _ in range(200)]
    assert len(violations(AcceptRequest(submissions=submissions))) == MOST_VIOLATIONS


def test_a_type_without_limits_costs_nothing() -> None:
    unlimited: Any = HandleMessageResponse.DESCRIPTOR
    assert validator(unlimited) is None


@pytest.mark.parametrize("rpc", list(contract.rpcs()), ids=lambda rpc: rpc.path)
def test_every_request_of_the_contract_can_be_checked(rpc: contract.Rpc) -> None:
    validator(rpc.request)
