"""What is a person told when something is withheld, in which language, and how is such an exchange known again?"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from agent_service.domain.guard.folding import fold, sentences
from parley.chat.v1.message_pb2 import Message, Role


class Language(NamedTuple):
    """The two fixed sentences, and little words that give a language away."""

    refused: str
    withheld: str
    words: frozenset[str]


ENGLISH = Language("I cannot help with that request.", "I cannot share that answer.", frozenset())
SPANISH = Language(
    "No puedo ayudar con esa petición.",
    "No puedo compartir esa respuesta.",
    frozenset(
        (
            *("el", "la", "los", "las", "y", "una", "con", "por", "del", "que", "tus", "mis", "instrucciones", "todas"),
            *("hola", "olvida", "eres", "ahora", "como", "dime", "dame", "puedo", "contrasena", "de", "otra", "un"),
        )
    ),
)
PORTUGUESE = Language(
    "Não posso ajudar com esse pedido.",
    "Não posso partilhar essa resposta.",
    frozenset(
        (
            *("o", "os", "as", "e", "uma", "com", "por", "do", "da", "que", "seus", "suas", "minhas", "instrucoes"),
            *("todas", "ola", "esqueca", "voce", "agora", "nao", "como", "me", "posso", "senha", "de", "outra", "um"),
        )
    ),
)
LANGUAGES = (ENGLISH, SPANISH, PORTUGUESE)
REFUSALS = frozenset(language.refused for language in LANGUAGES)
LEAST_WORDS = 2
CONTACT, AGENT = Role.ROLE_CONTACT, Role.ROLE_AGENT


def language_of(text: str) -> Language:
    """The one of which most little words are there; English when none clearly is."""
    words = [word for sentence in sentences(fold(text[:2000]).text) for word in sentence]
    counts = [sum(word in each.words for word in words) for each in LANGUAGES]
    most = max(counts)
    return LANGUAGES[counts.index(most)] if most >= LEAST_WORDS and counts.count(most) == 1 else ENGLISH


def without_refused(history: Iterable[Message]) -> Sequence[Message]:
    """The history without what was refused: a text that was blocked once must not reach the model as the past."""
    kept: list[Message] = []
    for message in history:
        if message.role == AGENT and message.text in REFUSALS:
            while kept and kept[-1].role == CONTACT:
                kept.pop()
        else:
            kept.append(message)
    return kept
