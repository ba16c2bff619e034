"""How is a value found in JSON that a stranger wrote? By its path, and only when it is of the right type."""

from kit.errors import ModelGarbage

Object = dict[str, object]
# vLLM and llama.cpp's server call a model by its path.
LONGEST_NAME = 1024


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


def is_name(said: object) -> bool:
    """Whether a model can be listed and counted by it: one lone surrogate in a name would end all of /metrics."""
    return isinstance(said, str) and 0 < len(said) <= LONGEST_NAME and said.isprintable()


def count(said: object) -> int:
    """A count; 0 for anything else."""
    return said if type(said) is int and 0 <= said < 2**31 else 0
