"""How is a value found in JSON that a stranger wrote? By its path, and only when it is of the right type."""

from kit.errors import ModelGarbage

Object = dict[str, object]


def at(said: object, *path: str | int) -> object:
    """What stands there; None when the path does not lead anywhere."""
    for step in path:
        if isinstance(step, int):
            said = said[step] if isinstance(said, list) and len(said) > step else None
        else:
            said = said.get(step) if isinstance(said, dict) else None
    return said


def objects(said: object) -> list[Object]:
    """A list of objects; nothing, or null, is an empty one. ModelGarbage for anything else."""
    if said is None:
        return []
    if not isinstance(said, list) or not all(isinstance(each, dict) for each in said):
        raise ModelGarbage("The model server's answer has no list of objects where it should.")
    return said


def text(said: object) -> str:
    """A text; ModelGarbage for anything else."""
    if not isinstance(said, str):
        raise ModelGarbage("The model server's answer has no text where it should.")
    return said


def count(said: object) -> int:
    """A count; 0 for anything else."""
    return said if type(said) is int and 0 <= said < 2**31 else 0
