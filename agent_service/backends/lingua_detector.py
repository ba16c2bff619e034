"""How does the library lingua tell languages apart? Only where an operator asked for it and it is installed.

It is good at sentences and poor at greetings, so what the builtin detector finds in the small words weighs along.
"""

from importlib import import_module

from agent_service.domain.languages import NAMES, UNKNOWN, Guess, weigh
from kit.settings import SettingsError

MISSING = "AGENT_LANGUAGES=lingua needs the package lingua-language-detector: pip install 'parley[lingua]'"


class Lingua:
    """Knows all languages of NAMES. Its models are read at the first use of each, which takes a second in all."""

    def __init__(self) -> None:
        try:
            lingua = import_module("lingua")
        except ImportError:
            raise SettingsError(MISSING) from None
        named = {code: lingua.Language.from_str(name) for code, name in NAMES.items()}
        self._codes = {language: code for code, language in named.items()}
        self._detector = lingua.LanguageDetectorBuilder.from_languages(*self._codes).build()

    def codes(self) -> tuple[str, ...]:
        return tuple(self._codes.values())

    def detect(self, text: str) -> Guess:
        weights, doubt = weigh(text)
        values = self._detector.compute_language_confidence_values(text)
        codes = [(self._codes[each.language], each.value) for each in values]
        shares = {code: value * (weights.get(code, 0.0) + doubt) for code, value in codes}
        total = sum(shares.values())
        if not total:
            return UNKNOWN
        best = max(shares, key=shares.__getitem__)
        return Guess(best, shares[best] / total)
