"""How do models write a call of a tool? As JSON, Mistral's with the name before it, or as tags around each argument.

Qwen3-Coder: <function=look><parameter=city>Rome</parameter></function>. GLM: look<arg_key>city</arg_key> and its
<arg_value>. Such arguments are all text, so the tool's schema says which of them is a number, a list, or true.
"""

import re
from collections.abc import Iterator, Mapping

import orjson

from llm_service.domain.backend import Call
from llm_service.domain.schemas import parsed

FUNCTION = "<function="
Schemas = Mapping[str, str]  # of the parameters, by the name of a tool

# Each takes what follows where its end is missing, so that nothing is read twice.
_function = re.compile(r"<function=([^>\s]{1,128})>(.*?)(?:</function>|\Z)", re.DOTALL)
_parameter = re.compile(r"<parameter=([^>\s]{1,128})>\n?(.*?)\n?(?:</parameter>|(?=<parameter=)|\Z)", re.DOTALL)
_glm = re.compile(r"([\w-]{1,128})\s*(<arg_key>.*)?", re.DOTALL)
_glm_argument = re.compile(r"<arg_key>([^<]{1,128})</arg_key>\s*<arg_value>(.*?)(?:</arg_value>|\Z)", re.DOTALL)
_mistral = re.compile(r"([\w-]{1,128})(?:\[CALL_ID\]\w{1,128})?(?:\[ARGS\])?\s*(\{.*)", re.DOTALL)
_AS_PYTHON = {"True": True, "False": False, "None": None}


def read(body: str, tools: Schemas) -> list[Call]:
    """The calls that a text is, however they are written; none when it is anything else."""
    return as_json(body) or list(_as_functions(body, tools)) or _as_named(body, tools)


def as_json(body: str) -> list[Call]:
    """The calls that a JSON text is."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return []
    found = [_call(each) for each in (said if isinstance(said, list) else [said])]
    calls = [call for call in found if call is not None]
    return calls if len(calls) == len(found) else []


def _call(said: object) -> Call | None:
    """{"name": …, "arguments": {…}}, as Qwen and Mistral write it; Llama calls them "parameters", or goes deeper."""
    if isinstance(said, dict) and isinstance(said.get("function"), dict):
        said = said["function"]
    if not isinstance(said, dict) or not isinstance(said.get("name"), str):
        return None
    arguments = said.get("arguments", said.get("parameters"))
    if isinstance(arguments, dict):
        return _made(said["name"], arguments)
    return Call("", said["name"], arguments) if isinstance(arguments, str) else None


def _as_functions(body: str, tools: Schemas) -> Iterator[Call]:
    for name, inner in _function.findall(body):
        if inner.lstrip().startswith("{"):  # Llama 3.1
            yield Call("", name, inner.strip())
        else:
            yield _made(name, _typed(_parameter.findall(inner), tools.get(name, "")))


def _as_named(body: str, tools: Schemas) -> list[Call]:
    if found := _mistral.fullmatch(body.strip()):
        return [Call("", found[1], found[2])]
    found = _glm.fullmatch(body.strip())
    if found is None or found[1] not in tools:
        return []
    return [_made(found[1], _typed(_glm_argument.findall(found[2] or ""), tools[found[1]]))]


def _made(name: str, arguments: dict[str, object]) -> Call:
    return Call("", name, orjson.dumps(arguments).decode())


def _typed(written: list[tuple[str, str]], schema: str) -> dict[str, object]:
    """The arguments as the schema has them."""
    properties = parsed(schema).get("properties")
    known = properties if isinstance(properties, dict) else {}
    return {name: _value(text, known.get(name)) for name, text in written}


def _value(text: str, rule: object) -> object:
    """Text where text is asked for, else what it means as JSON, if anything."""
    kind = rule.get("type") if isinstance(rule, dict) else None
    if kind == "string" or (isinstance(kind, list) and "string" in kind):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _AS_PYTHON.get(text.strip(), text)
