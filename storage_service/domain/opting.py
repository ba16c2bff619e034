"""Does a text say that its writer wants to be written to again? Only when it says nothing else."""

from unicodedata import normalize

# What people are told to write, in the languages that providers of SMS know.
OPT_IN = frozenset({"start", "unstop", "yes", "si", "sí", "sim", "iniciar", "começar", "alta"})
# No word is longer, however it is written: nothing else is looked at.
LONGEST = 64


def opts_in(text: str) -> bool:
    return len(text) <= LONGEST and normalize("NFC", text).strip().casefold() in OPT_IN
