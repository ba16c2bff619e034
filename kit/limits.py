"""Is every field of a message within what the contract allows? Compiled once per type."""

from collections.abc import Callable, Iterable
from functools import cache
from operator import attrgetter, le
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from kit.errors import InvalidField
from kit.statuses import MOST_VIOLATIONS
from parley.contract.v1 import options_pb2

Found = list[tuple[str, str]]
Check = Callable[[Message, Found], None]

_TEXTS = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)
_LIMITS: Any = options_pb2.limits
_DURATION = "google.protobuf.Duration"
_WORTH_GROUPING = 3  # texts of one message; fewer are asked one by one in the time that grouping takes


def validator(descriptor: Descriptor) -> Callable[[Message], None] | None:
    """What raises InvalidField for a message of this type. None when nothing in it has a limit."""
    check = _compiled(descriptor)
    if check is None:
        return None

    def validate(message: Message) -> None:
        found: Found = []
        check(message, found)
        if found:
            raise InvalidField(found[:MOST_VIOLATIONS])

    return validate


@cache
def _compiled(descriptor: Descriptor, above: frozenset[str] = frozenset()) -> Check | None:
    if descriptor.full_name.startswith("google.") or descriptor.full_name in above:
        return None  # A type inside itself is not followed; the contract has none.
    inside = above | {descriptor.full_name}
    plain = [field for field in descriptor.fields if _is_plain_text(field)]
    if len(plain) < _WORTH_GROUPING:
        plain = []
    others = [field for field in descriptor.fields if field not in plain]
    checks = [check for field in others for check in _checks(field, inside)]
    if plain:
        checks.insert(0, _all_within(plain))
    if not checks:
        return None
    if len(checks) == 1:
        return checks[0]

    def check_all(message: Message, found: Found) -> None:
        for check in checks:
            check(message, found)

    return check_all


def _checks(field: FieldDescriptor, inside: frozenset[str]) -> list[Check]:
    options = field.GetOptions()
    limits = options.Extensions[_LIMITS] if options.HasExtension(_LIMITS) else None
    nested = None if field.message_type is None or _is_map(field) else _compiled(field.message_type, inside)
    if field.is_repeated:
        if limits is None and nested is None:
            return []
        return [_repeated(field, limits or options_pb2.Limits(), nested=nested)]
    checks = [] if limits is None else _own(field, limits)
    return checks if nested is None else [*checks, _one(field.name, nested)]


def _own(field: FieldDescriptor, limits: options_pb2.Limits) -> list[Check]:
    if field.message_type is not None:
        checks = [_present(field.name)] if limits.required else []
        is_bounded = field.message_type.full_name == _DURATION and limits.HasField("max_seconds")
        return [*checks, _span(field.name, limits.max_seconds)] if is_bounded else checks
    if field.type in _TEXTS:
        return [_length(field, least=int(limits.required), most=limits.max_length)]
    return _number(field, limits)


def _repeated(field: FieldDescriptor, limits: options_pb2.Limits, *, nested: Check | None) -> Check:
    name, required, most = field.name, limits.required, limits.max_items or 1 << 62
    longest = limits.max_length if _is_map(field) or field.type in _TEXTS else 0
    each = None if nested is None else _each(name, nested)

    def check(message: Message, found: Found) -> None:
        values = getattr(message, name)
        size = len(values)
        if not size:
            if required:
                found.append((name, "is required"))
            return
        if size > most:
            found.append((name, f"has more than {most} items"))
        elif longest and any(len(value) > longest for value in values):
            found.append((name, f"has an item longer than {longest}"))
        if each is not None:
            each(values, found)

    return check


def _all_within(fields: list[FieldDescriptor]) -> Check:
    """Most limits are lengths of plain strings: asked in one go, and one by one only when one is off."""
    limits = [(field, field.GetOptions().Extensions[_LIMITS]) for field in fields]
    each = [_length(field, least=int(limit.required), most=limit.max_length) for field, limit in limits]
    # Those that are required come first, and for a single one attrgetter gives no tuple: so the first also comes last.
    ordered = sorted(limits, key=lambda field_and_limit: not field_and_limit[1].required)
    texts = attrgetter(*(field.name for field, _ in ordered), ordered[0][0].name)
    mosts = [limit.max_length or 1 << 62 for _, limit in ordered]
    needed = sum(limit.required for _, limit in limits)

    def check(message: Message, found: Found) -> None:
        values = texts(message)
        if all(map(le, map(len, values), mosts)) and all(values[:needed]):
            return
        for one in each:
            one(message, found)

    return check


def _length(field: FieldDescriptor, *, least: int, most: int) -> Check:
    name, optional, limit = field.name, field.has_presence, most or 1 << 62

    def check(message: Message, found: Found) -> None:
        size = len(getattr(message, name))
        if size > limit:
            found.append((name, f"is longer than {most}"))
        elif size < least and not (optional and field.containing_oneof and not message.HasField(name)):
            found.append((name, "is required"))

    return check


def _number(field: FieldDescriptor, limits: options_pb2.Limits) -> list[Check]:
    name, optional, required = field.name, field.has_presence, limits.required
    low = limits.minimum if limits.HasField("minimum") else None
    high = limits.maximum if limits.HasField("maximum") else None

    def check(message: Message, found: Found) -> None:
        value = getattr(message, name)
        if required and not value:
            found.append((name, "is required"))
        elif optional and not message.HasField(name):
            return
        elif low is not None and value < low:
            found.append((name, f"is less than {low}"))
        elif high is not None and not value <= high:
            found.append((name, f"is more than {high}"))

    return [check]


def _present(name: str) -> Check:
    def check(message: Message, found: Found) -> None:
        if not message.HasField(name):
            found.append((name, "is required"))

    return check


def _span(name: str, most: int) -> Check:
    def check(message: Message, found: Found) -> None:
        duration = getattr(message, name)
        if duration.seconds < 0 or duration.nanos < 0:
            found.append((name, "is negative"))
        elif duration.seconds + (duration.nanos > 0) > most:
            found.append((name, f"is longer than {most} s"))

    return check


def _one(name: str, nested: Check) -> Check:
    def check(message: Message, found: Found) -> None:
        if message.HasField(name):
            before = len(found)
            nested(getattr(message, name), found)
            if len(found) > before:
                found[before:] = [(f"{name}.{path}", wrong) for path, wrong in found[before:]]

    return check


def _each(name: str, nested: Check) -> Callable[[Iterable[Message], Found], None]:
    def check(values: Iterable[Message], found: Found) -> None:
        inside: Found = []
        for index, item in enumerate(values):
            nested(item, inside)
            if inside:
                found.extend((f"{name}[{index}].{path}", wrong) for path, wrong in inside)
                inside.clear()
            if len(found) >= MOST_VIOLATIONS:
                return

    return check


def _is_plain_text(field: FieldDescriptor) -> bool:
    limited = field.GetOptions().HasExtension(_LIMITS)
    return limited and field.type in _TEXTS and not field.is_repeated and not field.has_presence


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry
