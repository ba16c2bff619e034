"""Is every field of a message within what the contract allows? Compiled once per type."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from kit.errors import InvalidField
from kit.moments import EARLIEST, LATEST, stamp
from kit.statuses import MOST_VIOLATIONS
from kit.unkept import is_map, unkept
from parley.contract.v1 import options_pb2

Found = list[tuple[str, str]]
Check = Callable[[Message, Found], None]

_TEXTS = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)
_LIMITS: Any = options_pb2.limits
_DURATION, _TIMESTAMP = "google.protobuf.Duration", "google.protobuf.Timestamp"
_NO_END = 1 << 62
# Nanoseconds are not asked for: as many as fit make two seconds, and the years have room beside them.
_FIRST_SECOND, _LAST_SECOND = stamp(EARLIEST).seconds, stamp(LATEST).seconds


class _Step(NamedTuple):
    """What checks one field, and the expression that is true of every message in which it could find something."""

    check: Check
    suspicion: str


def validator(descriptor: Descriptor, *, keeps: bool = False) -> Callable[[Message], None] | None:
    """What raises InvalidField for a message of this type. None when nothing in it has a limit. A service that `keeps`
    what it is told takes no NUL."""
    check = _compiled(descriptor)
    if check is None and not keeps:
        return None

    def validate(message: Message) -> None:
        found: Found = []
        if check is not None:
            check(message, found)
        if keeps:
            found += unkept(message)
        if found:
            raise InvalidField(found[:MOST_VIOLATIONS])

    return validate


@cache
def _compiled(descriptor: Descriptor, above: frozenset[str] = frozenset()) -> Check | None:
    if descriptor.full_name.startswith("google.") or descriptor.full_name in above:
        return None  # A type inside itself is not followed; the contract has none.
    inside = above | {descriptor.full_name}
    steps = [step for field in descriptor.fields for step in _steps(field, inside)]
    if not steps:
        return None
    return steps[0].check if len(steps) == 1 else _in_line(steps)


def _in_line(steps: Sequence[_Step]) -> Check:
    """One function that asks of each field what can be asked in a breath, and calls a check only where that is not
    enough: nearly every field is fine, and calling a function for each costs more than all the rest."""
    body = [f"    if {step.suspicion}: check_{number}(message, found)" for number, step in enumerate(steps)]
    source = "\n".join(["def check_all(message, found):", *body])
    made: dict[str, Any] = {f"check_{number}": step.check for number, step in enumerate(steps)}
    exec(source, made)  # noqa: S102  # of names and numbers that our own contract declares
    check: Check = made["check_all"]
    return check


def _steps(field: FieldDescriptor, inside: frozenset[str]) -> list[_Step]:
    options = field.GetOptions()
    limits = options.Extensions[_LIMITS] if options.HasExtension(_LIMITS) else None
    nested = None if field.message_type is None or is_map(field) else _compiled(field.message_type, inside)
    value = f"message.{field.name}"
    if field.is_repeated:
        if limits is None and nested is None:
            return []
        check = _repeated(field, limits or options_pb2.Limits(), nested=nested)
        return [_Step(check, "True" if limits is not None and limits.required else value)]
    steps = [] if limits is None else _own(field, limits)
    if limits is not None and limits.known:
        steps.append(_Step(_known(field), f"{value} not in {tuple(_numbers(field))}"))
    if field.message_type is not None and field.message_type.full_name == _TIMESTAMP:
        # One that is absent reads as 1970, and to ask for its presence costs as much as its seconds.
        steps.append(_Step(_time(field.name), f"not {_FIRST_SECOND} <= {value}.seconds <= {_LAST_SECOND}"))
    if nested is not None:
        steps.append(_Step(_one(field.name, nested), f'message.HasField("{field.name}")'))
    return steps


def _own(field: FieldDescriptor, limits: options_pb2.Limits) -> list[_Step]:
    value = f"message.{field.name}"
    if field.message_type is not None:
        steps = [_Step(_present(field.name), "True")] if limits.required else []
        is_bounded = field.message_type.full_name == _DURATION and limits.HasField("max_seconds")
        return [*steps, _Step(_span(field.name, limits.max_seconds), "True")] if is_bounded else steps
    if field.type in _TEXTS:
        least, most = int(limits.required), limits.max_length or _NO_END
        return [_Step(_length(field, least=least, most=most), f"not {least} <= len({value}) <= {most}")]
    return [_number(field, limits)]


def _repeated(field: FieldDescriptor, limits: options_pb2.Limits, *, nested: Check | None) -> Check:
    name, required, most = field.name, limits.required, limits.max_items or _NO_END
    longest = limits.max_length if is_map(field) or field.type in _TEXTS else 0
    known = _numbers(field) - {0} if limits.known else None
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
        elif known is not None and not known.issuperset(values):
            found.append((name, "has an item that is not a known value"))
        if each is not None:
            each(values, found)

    return check


def _length(field: FieldDescriptor, *, least: int, most: int) -> Check:
    name, optional = field.name, field.has_presence

    def check(message: Message, found: Found) -> None:
        size = len(getattr(message, name))
        if size > most:
            found.append((name, f"is longer than {most}"))
        elif size < least and not (optional and field.containing_oneof and not message.HasField(name)):
            found.append((name, "is required"))

    return check


def _number(field: FieldDescriptor, limits: options_pb2.Limits) -> _Step:
    name, optional, required = field.name, field.has_presence, limits.required
    low = limits.minimum if limits.HasField("minimum") else None
    high = limits.maximum if limits.HasField("maximum") else None
    wrongs = ["not {0}"] if required else []
    wrongs += [] if low is None else [f"{{0}} < {low!r}"]
    wrongs += [] if high is None else [f"not {{0}} <= {high!r}"]

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

    return _Step(check, " or ".join(wrongs).format(f"message.{name}") or "False")


def _known(field: FieldDescriptor) -> Check:
    name, known = field.name, _numbers(field)

    def check(message: Message, found: Found) -> None:
        if getattr(message, name) not in known:
            found.append((name, "is not a known value"))

    return check


def _numbers(field: FieldDescriptor) -> frozenset[int]:
    return frozenset(() if field.enum_type is None else field.enum_type.values_by_number)


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


def _time(name: str) -> Check:
    def check(message: Message, found: Found) -> None:
        if not _FIRST_SECOND <= getattr(message, name).seconds <= _LAST_SECOND:
            found.append((name, f"is not in the years {EARLIEST.year} to {LATEST.year}"))

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
