"""What is said of a schema that is none, and of what a model wrote that does not fit?"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import InvalidField, ModelOutputInvalid, ModelToolInvalid
from llm_service.domain import schemas
from llm_service.domain.backend import Call
from parley.llm.v1 import prompt_pb2

DATED = '{"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}'
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)

BAD_SCHEMAS = {
    "nope": "invalid literal",
    "[]": "it is not an object",
    "true": "it is not an object",
    '{"type": "strong"}': '"strong" is not valid',
    '{"properties": 5}': '5 is not of type "object"',
    '{"pattern": "("}': 'is not a "regex"',
    '{"pattern": "(?=a)b"}': 'is not a "regex"',
    '{"$ref": "#/$defs/none"}': "a reference leads nowhere",
    '{"$ref": "file:///etc/passwd"}': "a reference out of the schema is not followed",
    '{"not":' * 300 + "{}" + "}" * 300: "Recursion limit reached",
    '{"not":' * 20_000 + "{}" + "}" * 20_000: "depth limit exceeded",
}


def with_tools(*tools: tuple[str, str]) -> prompt_pb2.Prompt:
    return prompt_pb2.Prompt(tools=[prompt_pb2.Tool(name=name, parameters=schema) for name, schema in tools])


def called(name: str, arguments: str, *, parameters: str = DATED) -> None:
    """A model calls a tool of a prompt that has `book`."""
    schemas.check_calls(with_tools(("book", parameters)), [Call("1", name, arguments)])


@pytest.mark.parametrize("arguments", ["{oops", "[]", "null", '"{}"', "[" * 5000])
def test_a_call_that_was_said_with_arguments_that_are_no_object_is_refused_with_its_field(arguments: str) -> None:
    calls = [
        prompt_pb2.ToolCall(id=f"{n}", name="look", arguments=each) for n, each in enumerate(("", "{}", arguments))
    ]
    said = [prompt_pb2.PromptMessage(), prompt_pb2.PromptMessage(tool_calls=calls)]

    with pytest.raises(InvalidField) as raised:
        schemas.check(prompt_pb2.Prompt(messages=said))

    assert raised.value.violations == (("prompt.messages[1].tool_calls[2].arguments", "is not a JSON object"),)


@pytest.mark.parametrize("schema", BAD_SCHEMAS, ids=lambda schema: schema[:40])
def test_a_bad_schema_is_refused_with_its_field_and_in_one_short_line(schema: str) -> None:
    with pytest.raises(InvalidField) as of_output:
        schemas.check(prompt_pb2.Prompt(output_schema=schema))
    with pytest.raises(InvalidField) as of_tools:
        schemas.check(with_tools(("good", DATED), ("bad", schema), ("worse", schema)))

    ((field, said),) = of_output.value.violations
    assert field == "prompt.output_schema"
    assert BAD_SCHEMAS[schema] in said
    assert len(said) < 160
    assert len(said.splitlines()) == 1
    assert [field for field, _ in of_tools.value.violations] == [
        "prompt.tools[1].parameters",
        "prompt.tools[2].parameters",
    ]


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidField) as raised:
        schemas.check(with_tools(("a", ""), ("b", ""), ("a", DATED)))

    assert raised.value.violations == (("prompt.tools[2].name", "is the name of a tool before it"),)


def test_good_schemas_and_a_tool_without_parameters_pass() -> None:
    schemas.check(with_tools(("a", ""), ("b", DATED)))
    schemas.check(prompt_pb2.Prompt(output_schema='{"$defs": {"d": {"type": "string"}}, "$ref": "#/$defs/d"}'))


def test_a_call_that_fits_passes_and_so_does_an_empty_object_for_a_tool_without_parameters() -> None:
    called("book", '{"day": "monday", "more": 1}')
    called("book", "{}", parameters="")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("not json", "it is not JSON"),
        ("", "it is not JSON"),
        ('{"day": "monday"', "it is not JSON"),
        ('{"day": NaN}', "it is not JSON"),
        ('{"day": Infinity}', "it is not JSON"),
        ('{"day": 1e400}', "it is not JSON"),
        ('{"day": "\\ud800"}', "it is not JSON"),
        ('{"day": "\ud800"}', "it is not JSON"),
        ('{"day": ' + "9" * 5000 + "}", "it is not JSON"),
        ("[]", "they are not an object"),
        ('"monday"', "they are not an object"),
        ("null", "they are not an object"),
        ("{}", "the rule at $.required does not hold"),
        ('{"day": 5}', "the rule at $.properties.day.type does not hold"),
        ("[" * 100_000 + "]" * 100_000, "it is not JSON"),
        ('{"day": ' + '{"a": ' * 20_000 + "1" + "}" * 20_001, "it is not JSON"),
        ('{"day": ' + "[" * 600 + "]" * 600 + "}", "it is nested too deep"),
    ],
    ids=lambda text: text[:24].encode("ascii", "replace").decode(),
)
def test_a_call_that_does_not_fit_is_refused_with_its_rule(arguments: str, said: str) -> None:
    with pytest.raises(ModelToolInvalid) as raised:
        called("book", arguments)

    assert raised.value.message == f"The model called book with arguments that do not fit: {said}."


@pytest.mark.parametrize("rule", ['{"const": 1}', '{"enum": [1]}', '{"type": "array", "uniqueItems": true}'])
@pytest.mark.parametrize("depth", [200, 300, 600, 1000, 1200])
def test_however_deep_a_value_is_nested_it_fits_or_is_refused(rule: str, depth: int) -> None:
    with pytest.raises(ModelOutputInvalid):
        schemas.check_text(f'{{"additionalProperties": {rule}}}', '{"a": ' + "[1," + "[" * depth + "]" * depth + ",1]}")


def test_a_tool_that_the_prompt_does_not_have_is_refused_without_its_name() -> None:
    with pytest.raises(ModelToolInvalid) as raised:
        called("rm -rf", "{}")

    assert raised.value.message == "The model called a tool that the prompt does not have."


def test_every_call_is_checked_and_not_only_the_first() -> None:
    good, bad = Call("1", "book", '{"day": "monday"}'), Call("2", "book", "{}")

    with pytest.raises(ModelToolInvalid):
        schemas.check_calls(with_tools(("book", DATED)), [good, bad])


def test_a_text_fits_its_schema_or_is_refused_with_the_rule() -> None:
    schemas.check_text('{"type": "array", "items": {"type": "integer"}}', "[1, 2]")

    with pytest.raises(ModelOutputInvalid, match=r"the rule at \$\.items\.type does not hold"):
        schemas.check_text('{"type": "array", "items": {"type": "integer"}}', '[1, "2"]')


@given(JSON)
def test_any_json_fits_a_schema_without_rules_and_its_own_value(value: object) -> None:
    text = json.dumps(value)

    schemas.check_text("{}", text)
    schemas.check_text(json.dumps({"const": value}), text)


@given(st.text(alphabet=st.characters(blacklist_categories=())))
def test_any_text_of_a_model_fits_or_is_refused_by_name(text: str) -> None:
    try:
        schemas.check_text(DATED, text)
    except ModelOutputInvalid:
        return
    assert isinstance(json.loads(text), dict)


@pytest.mark.parametrize(
    "text",
    ['{"day": {"canary": "canary"}}', '{"canary": 1}', "canary", '["canary"]', '{"day": canary}', '{"canary": NaN}'],
)
def test_what_is_said_of_a_misfit_never_repeats_what_the_model_wrote(text: str) -> None:
    strict = DATED[:-1] + ', "additionalProperties": false, "propertyNames": {"maxLength": 3}}'
    with pytest.raises(ModelOutputInvalid) as of_output:
        schemas.check_text(strict, text)
    with pytest.raises(ModelToolInvalid) as of_tool:
        called("book", text, parameters=strict)

    assert "canary" not in of_output.value.message + of_tool.value.message


def test_the_place_of_a_misfit_is_cut_so_that_it_fits_the_metadata_of_a_call() -> None:
    schema = json.dumps({"properties": {"x" * 60_000: {"type": "string"}}})

    with pytest.raises(ModelOutputInvalid) as raised:
        schemas.check_text(schema, json.dumps({"x" * 60_000: 1}))

    assert len(raised.value.message) < 400
