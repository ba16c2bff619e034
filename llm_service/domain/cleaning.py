"""What of a model's words may go on into the mesh? Text that a database can store, and never nothing at all."""

import unicodedata

from kit.errors import ModelEmpty, ModelGarbage
from llm_service.domain.backend import Answer

# Spaces, ends of lines, controls, and format signs. Not what has no category yet: an emoji that is newer than we are.
UNSEEN = frozenset(("Zs", "Zl", "Zp", "Cc", "Cf"))


def checked(answer: Answer) -> Answer:
    """The answer as it is. ModelEmpty when it has neither text nor a call, ModelGarbage for what is no text."""
    checked_piece(answer.text)
    checked_calls(answer)
    if not answer.calls and is_blank(answer.text):
        raise ModelEmpty
    return answer


def is_blank(text: str) -> bool:
    """Whether nothing of it can be seen: messengers refuse to send what is only zero-width, too."""
    return all(unicodedata.category(sign) in UNSEEN for sign in text)


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
