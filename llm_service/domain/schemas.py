"""Does what a model wrote fit what it was asked for? Its tool calls, and its text where a JSON Schema was given.

A schema comes from a caller and an instance from a model, so neither is trusted: nothing is fetched for a schema, and
its patterns are matched in linear time. What is said of a misfit names its place and the rule, never what stands there.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import orjson
from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from kit.errors import InvalidField, ModelOutputInvalid, ModelToolInvalid
from llm_service.domain.backend import Call
from llm_service.domain.references import check_size
from parley.llm.v1 import prompt_pb2

# A tool without parameters takes an object all the same, as every server sends one.
NO_PARAMETERS = '{"type": "object", "properties": {}}'
# Characters of where a misfit is: it travels in the metadata of a call.
MOST_PLACE = 200
# Characters of a call, as in the contract.
MOST_ID, MOST_ARGUMENTS = 256, 262_144

_tool_name = re.compile(r"[A-Za-z0-9_-]+").fullmatch


def check(prompt: prompt_pb2.Prompt) -> None:
    """Raises InvalidField for a schema that is none, two tools of one name, or a call that was said with arguments that
    are no object: a server would refuse them, or fall over them, which would count against it."""
    problems: list[tuple[str, str]] = []
    if prompt.raw and (len(prompt.messages) != 1 or prompt.tools or prompt.output_schema):
        problems.append(("prompt.raw", "goes with one message, and without tools and a schema"))
    names: set[str] = set()
    for number, tool in enumerate(prompt.tools):
        if tool.name in names:
            problems.append((f"prompt.tools[{number}].name", "is the name of a tool before it"))
        names.add(tool.name)
        if not _tool_name(tool.name):
            problems.append((f"prompt.tools[{number}].name", "may have letters, digits, _ and -"))
        problems += _problem(f"prompt.tools[{number}].parameters", tool.parameters or NO_PARAMETERS)
    if prompt.output_schema:
        problems += _problem("prompt.output_schema", prompt.output_schema)
    for number, said in enumerate(prompt.messages):
        for place, call in enumerate(said.tool_calls):
            if not _is_object(call.arguments or "{}"):
                field = f"prompt.messages[{number}].tool_calls[{place}].arguments"
                problems.append((field, "is not a JSON object"))
    if problems:
        raise InvalidField(problems)


@lru_cache(maxsize=256)
def parsed(schema: str) -> Mapping[str, object]:
    """The schema as servers want it: an object. Only for what `check` let pass."""
    found: dict[str, object] = orjson.loads(schema or NO_PARAMETERS)
    return found


def check_calls(prompt: prompt_pb2.Prompt, calls: Sequence[Call]) -> None:
    """Raises ModelToolInvalid unless every call names a tool of the prompt and fits its parameters, or where it was to
    call none, which some servers do not heed."""
    if calls and prompt.tool_choice == prompt_pb2.TOOL_CHOICE_NONE:
        raise ModelToolInvalid("The model called a tool where it was to call none.")
    tools = {tool.name: tool for tool in prompt.tools}
    for call in calls:
        tool = tools.get(call.name)
        if tool is None:
            raise ModelToolInvalid("The model called a tool that the prompt does not have.")
        if len(call.id) > MOST_ID or len(call.arguments) > MOST_ARGUMENTS:
            raise ModelToolInvalid(f"The model called {tool.name} with more than the contract carries.")
        wrong = _misfit(tool.parameters or NO_PARAMETERS, call.arguments, only_objects=True)
        if wrong:
            raise ModelToolInvalid(f"The model called {tool.name} with arguments that do not fit: {wrong}.")


def check_text(schema: str, text: str) -> None:
    """Raises ModelOutputInvalid unless the text is JSON that fits the schema."""
    wrong = _misfit(schema, text, only_objects=False)
    if wrong:
        raise ModelOutputInvalid(f"The model's text does not fit the output schema: {wrong}.")


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def _misfit(schema: str, text: str, *, only_objects: bool) -> str:
    try:
        instance = orjson.loads(text)
    except orjson.JSONDecodeError:
        return "it is not JSON"
    if only_objects and not isinstance(instance, dict):
        return "they are not an object"
    try:
        # Ends at the first misfit. To list all of them, as iter_errors does, takes seconds for a long wrong array.
        _validator(schema).validate(instance)
    except ValidationError as error:
        return _place(error)
    except ValueError:
        return "it is nested too deep"
    return ""


def _place(error: ValidationError) -> str:
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.schema_path)
    return f"the rule at ${path[:MOST_PLACE]} does not hold"


def _problem(field: str, schema: str) -> list[tuple[str, str]]:
    try:
        _validator(schema)
    except (ValueError, RecursionError) as error:
        return [(field, f"is not a JSON Schema: {str(error).splitlines()[0][:120]}")]
    return []


@lru_cache(maxsize=256)
def _validator(schema: str) -> Draft202012Validator:
    """ValidationError, a ValueError, when it is no schema, or points outside of itself."""
    rules = orjson.loads(schema)
    if not isinstance(rules, dict):
        raise ValueError("it is not an object")
    check_size(rules)
    return Draft202012Validator(rules, offline=True, pattern_options=RegexOptions())
