"""Does a text say that its writer wants no more messages, or wants them again? Only when it says nothing else.

Nobody is answered by these words: they only bring a message to the agent that would not get it otherwise. The agent
knows on which channels they hold, and what to say.
"""

import re
from unicodedata import combining, normalize

# What people are told to write, in the languages that providers of SMS know.
OPT_IN = frozenset({"start", "unstop", "yes", "si", "sim", "iniciar", "comecar", "alta"})
OPT_OUT = frozenset(
    {
        *("stop", "stopall", "stop all", "unsubscribe", "unsubscribe me", "cancel", "end", "quit", "revoke", "optout"),
        *("opt out", "baja", "dar de baja", "darme de baja", "cancelar", "cancelar suscripcion", "salir", "detener"),
        *("parar", "pare", "sair", "remover", "descadastrar", "cancelar inscricao"),
    }
)
# No word is longer, however it is written: nothing else is looked at.
LONGEST = 64
WORD = re.compile(r"[^\W_]+")


def opts_in(text: str) -> bool:
    return _words(text) in OPT_IN


def opts_out(text: str) -> bool:
    return _words(text) in OPT_OUT


def _words(text: str) -> str:
    """The words alone, without accents: "  ¡STOP! " is "stop"."""
    if len(text) > LONGEST:
        return ""
    bare = "".join(each for each in normalize("NFKD", text.casefold()) if not combining(each))
    return " ".join(WORD.findall(bare))
