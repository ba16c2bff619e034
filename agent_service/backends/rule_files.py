"""Which rules hold here? Those that come with the agent, and those of the file that an operator names."""

from importlib import resources
from pathlib import Path

from agent_service.domain.guard.rulebook import Rulebook, RulesError

# The words that several name come first.
SHIPPED = (
    "words",
    "credentials",
    "credentials_asking",
    "credentials_others",
    "malware",
    "illegal_activity",
    "prompt_injection_words",
    "prompt_injection",
    "prompt_injection_tricks",
    "output",
)


def shipped() -> Rulebook:
    """The rules in agent_service/rules."""
    book = Rulebook()
    folder = resources.files("agent_service") / "rules"
    for name in SHIPPED:
        file = f"{name}.toml"
        book = book.with_file((folder / file).read_text(encoding="utf-8"), file=file)
    return book


def rules(own: Path | None) -> Rulebook:
    """Those, and what the operator's file adds; RulesError in one line when it cannot be read or is wrong."""
    book = shipped()
    if own is None:
        return book
    try:
        text = own.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"GUARD_RULES_FILE: {own} cannot be read ({type(error).__name__})") from None
    return book.with_file(text, file=own.name)
