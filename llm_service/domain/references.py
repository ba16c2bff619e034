"""How much work is a JSON Schema, once what it refers to stands where it is referred to?

Two references on each of thirty levels are a billion rules, and one that leads back to itself never ends. So all are
followed once, before the schema is used.
"""

from urllib.parse import unquote

MOST_RULES = 20_000
# References that are found only while an instance is read, or by a name that may stand anywhere.
_UNFOLLOWED = ("$dynamicRef", "$recursiveRef", "$anchor", "$dynamicAnchor", "$id")


def check_size(schema: dict[str, object]) -> None:
    """ValueError for a schema that is too much work, or that cannot be followed."""
    if _Follower(schema).size(schema) > MOST_RULES:
        raise ValueError(f"it is more than {MOST_RULES} rules, references included")


class _Follower:
    """Counts what stands in a schema; what a reference leads to counts each time, and is looked at once."""

    def __init__(self, root: dict[str, object]) -> None:
        self._root = root
        self._sizes: dict[str, int] = {}
        self._open: set[str] = set()

    def size(self, part: object) -> int:
        if isinstance(part, list):
            return 1 + sum(map(self.size, part))
        if not isinstance(part, dict):
            return 1
        for word in _UNFOLLOWED:
            if word in part and part is not self._root:
                raise ValueError(f"{word} is not supported")
        reference = part.get("$ref")
        here = self._referred(reference) if isinstance(reference, str) else 0
        return 1 + here + sum(map(self.size, part.values()))

    def _referred(self, reference: str) -> int:
        if reference in self._open:
            raise ValueError("a reference leads back to itself")
        if reference not in self._sizes:
            self._open.add(reference)
            self._sizes[reference] = self.size(self._found(reference))
            self._open.discard(reference)
        return self._sizes[reference]

    def _found(self, reference: str) -> object:
        """What a pointer into the schema itself leads to (RFC 6901)."""
        if not reference.startswith("#"):
            raise ValueError("a reference out of the schema is not followed")
        found: object = self._root
        steps = unquote(reference[1:]).split("/")
        for step in [step.replace("~1", "/").replace("~0", "~") for step in steps if step]:
            if isinstance(found, dict) and step in found:
                found = found[step]
            elif isinstance(found, list) and step.isdigit() and int(step) < len(found):
                found = found[int(step)]
            else:
                raise ValueError("a reference leads nowhere")
        return found
