"""Where is an answer of this model counted? Found once per model: finding a series costs more than counting on it."""

from collections.abc import Callable
from dataclasses import dataclass

from kit import metrics


@dataclass(frozen=True, slots=True)
class Series:
    """What is counted of one model."""

    seconds: Callable[[float], None]
    read: Callable[[float], None]  # tokens
    wrote: Callable[[float], None]


class Tally:
    """The series of every model that has answered."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Series] = {}

    def of(self, backend: str, model: str) -> Series:
        """Those of one model."""
        series = self._found.get((backend, model))
        if series is None:
            series = self._found[backend, model] = Series(
                seconds=metrics.llm_seconds.labels(backend=backend, model=model).observe,
                read=metrics.llm_tokens.labels(model=model, direction="input").inc,
                wrote=metrics.llm_tokens.labels(model=model, direction="output").inc,
            )
        return series
