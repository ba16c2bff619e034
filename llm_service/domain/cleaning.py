"""What of a model's words may go on into the mesh? Text that a database can store, and never nothing at all."""

from kit.errors import ModelEmpty, ModelGarbage
from llm_service.domain.backend import Answer


def checked(answer: Answer) -> Answer:
    """The answer as it is. ModelEmpty when it has neither text nor a call, ModelGarbage for what is no text."""
    checked_piece(answer.text)
    checked_calls(answer)
    if not answer.calls and (not answer.text or answer.text.isspace()):
        raise ModelEmpty
    return answer


def checked_calls(answer: Answer) -> Answer:
    """The answer as it is, when what it calls is text."""
    for call in answer.calls:
        for said in (call.id, call.name, call.arguments):
            checked_piece(said)
    return answer


def checked_piece(text: str) -> str:
    """The text as it is. Postgres refuses NUL, and UTF-8 has no bytes for a lone surrogate: a server sent no text."""
    if text.isascii() and "\0" not in text:
        return text
    if "\0" in text:
        raise ModelGarbage("The model server's answer has a NUL in its text.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ModelGarbage("The model server's answer has a lone surrogate in its text.") from None
    return text
