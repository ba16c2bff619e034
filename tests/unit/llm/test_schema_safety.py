"""What does a schema of a stranger, or an answer of a hostile model, cost us?"""

import json
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from kit.errors import InvalidField, ModelOutputInvalid
from llm_service.domain import repairing, schemas
from parley.llm.v1 import prompt_pb2

# So many times may the hostile one take longer than the benign one. An exponential or a square takes thousands.
TIMES = 50


class Listener:
    """A port on loopback. Who connects waits in its backlog until it is counted."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def visitors(self) -> int:
        """How many came since it was asked last."""
        came = 0
        while True:
            try:
                self.socket.accept()[0].close()
            except BlockingIOError:
                return came
            came += 1


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()
    yield found
    found.socket.close()


def seconds(work: Callable[[], object]) -> float:
    """The least that it took of three times."""
    return min(_once(work) for _ in range(3))


def _once(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def refused(schema: str, text: str) -> Callable[[], None]:
    """The check of a text that does not fit."""

    def check() -> None:
        with pytest.raises(ModelOutputInvalid):
            schemas.check_text(schema, text)

    return check


def test_a_listener_counts_who_connects(listener: Listener) -> None:
    with socket.create_connection(listener.socket.getsockname()):
        assert listener.visitors() == 1
    assert listener.visitors() == 0


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "URL/a.json"},
        {"$dynamicRef": "URL/a.json"},
        {"properties": {"a": {"items": {"$ref": "URL/a.json#/b"}}}},
        {"$id": "URL/here", "$ref": "there"},
        {"$id": "URL/", "$defs": {"a": {"$id": "b/", "$ref": "c"}}},
    ],
    ids=json.dumps,
)
def test_a_schema_that_points_out_of_itself_is_refused_and_nothing_is_fetched(
    schema: dict[str, object], listener: Listener
) -> None:
    text = json.dumps(schema).replace("URL", listener.url)

    with pytest.raises(InvalidField):
        schemas.check(prompt_pb2.Prompt(output_schema=text))
    with pytest.raises(InvalidField):
        schemas.check(prompt_pb2.Prompt(tools=[prompt_pb2.Tool(name="a", parameters=text)]))

    assert listener.visitors() == 0


def test_a_schema_of_another_dialect_fetches_nothing_either(listener: Listener) -> None:
    schemas.check(prompt_pb2.Prompt(output_schema=json.dumps({"$schema": f"{listener.url}/dialect"})))

    assert listener.visitors() == 0


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)*b$", "(.*)*x$", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_a_pattern_made_to_backtrack_takes_no_longer_for_a_hostile_text(pattern: str) -> None:
    schema = json.dumps({"pattern": pattern})
    schemas.check(prompt_pb2.Prompt(output_schema=schema))

    hostile = seconds(refused(schema, json.dumps("a" * 100_000 + "!")))
    benign = seconds(refused('{"pattern": "^b$"}', json.dumps("b" * 100_001)))

    assert hostile < TIMES * benign


def test_many_misfits_take_no_longer_than_one() -> None:
    schema = '{"items": {"type": "string"}}'
    ones, texts = [1] * 100_000, [*["1"] * 99_999, 1]

    assert seconds(refused(schema, json.dumps(ones))) < TIMES * seconds(refused(schema, json.dumps(texts)))


def test_a_fence_that_is_never_closed_takes_no_longer_than_one_that_is() -> None:
    lines = "\n" * 20_000
    open_fence, closed = f"```json{lines}{{", f"```json{lines}{{}}\n```"

    assert repairing.unfenced(open_fence) == open_fence
    assert seconds(lambda: repairing.unfenced(open_fence)) < TIMES * seconds(lambda: repairing.unfenced(closed))


DOUBLED = {f"l{n}": {"allOf": [{"$ref": f"#/$defs/l{n + 1}"}] * 2} for n in range(30)}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"$ref": "#"}, "a reference leads back to itself"),
        ({"properties": {"a": {"$ref": "#"}}}, "a reference leads back to itself"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, "a reference leads back to itself"),
        ({"$defs": {**DOUBLED, "l30": {}}, "$ref": "#/$defs/l0"}, "it is more than 20000 rules, references included"),
        ({"items": {"$dynamicRef": "#meta"}}, "$dynamicRef is not supported"),
    ],
)
def test_a_schema_that_is_endless_work_is_refused(schema: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidField) as raised:
        schemas.check(prompt_pb2.Prompt(output_schema=json.dumps(schema)))

    assert raised.value.violations == (("prompt.output_schema", f"is not a JSON Schema: {said}"),)


def test_a_schema_may_refer_to_its_own_parts_by_any_way_of_writing_a_pointer() -> None:
    parts = {"a/b": {"type": "integer"}, "ü": {"type": "string"}}
    schema = {"$id": "urn:x", "$defs": parts, "prefixItems": [{"$ref": "#/$defs/a~1b"}, {"$ref": "#/$defs/%C3%BC"}]}

    schemas.check_text(json.dumps(schema), '[1, "x"]')
    with pytest.raises(ModelOutputInvalid):
        schemas.check_text(json.dumps(schema), '["x", 1]')
