"""What has a call of the LLM service come to: how many attempts, how long, what was paid?"""

from dataclasses import dataclass, field

from kit import metrics
from kit.errors import ParleyError
from llm_service.domain.backend import Answer, Model, cost_micros


@dataclass(slots=True)
class Record:
    """What one call has come to so far; filled while it runs, so that a failure has one too."""

    model: str = ""
    backend: str = ""
    attempts: int = 0
    # By all answers that came, also those that were of no use: they are paid for, too.
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0
    model_seconds: float = 0.0
    answer_seconds: float = 0.0  # of the last attempt alone
    reader_seconds: float = 0.0  # that a stream waited for whoever reads it, in the last attempt
    first_text_seconds: float | None = None
    passed_over: list[tuple[Model, ParleyError]] = field(default_factory=list)

    def spend(self, model: Model, answer: Answer) -> None:
        """Counts what an answer took, whatever becomes of it."""
        cost = cost_micros(model, answer)
        self.input_tokens += answer.input_tokens
        self.output_tokens += answer.output_tokens
        self.cost_micros += cost
        metrics.llm_tokens.labels(model=model.label, direction="input").inc(answer.input_tokens)
        metrics.llm_tokens.labels(model=model.label, direction="output").inc(answer.output_tokens)
        if cost:
            metrics.llm_cost_micros.labels(model=model.label).inc(cost)
