"""What does the agent say by itself, without a model? Every sentence, in every language that it is written in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Formatter

DEFAULT = "en"
# Of an operator's sentence; several may stand in one message.
MOST_CHARACTERS = 4096

LANGUAGES = {"en": "English", "es": "español", "pt": "português"}

TEXTS: Mapping[str, Mapping[str, str]] = {
    "handed_off": {
        "en": "I am passing you on to a person of our team, who will answer you here as soon as possible.",
        "es": "Te paso con una persona de nuestro equipo, que te responderá aquí lo antes posible.",
        "pt": "Vou passar você para uma pessoa da nossa equipe, que responderá aqui assim que possível.",
    },
    "refused": {
        "en": "I cannot help with that request.",
        "es": "No puedo ayudar con esa petición.",
        "pt": "Não posso ajudar com esse pedido.",
    },
    "withheld": {
        "en": "I cannot share that answer.",
        "es": "No puedo compartir esa respuesta.",
        "pt": "Não posso partilhar essa resposta.",
    },
    "opted_out": {
        "en": "You will get no more messages from us. To hear from us again, write START.",
        "es": "No recibirás más mensajes nuestros. Para volver a recibirlos, escribe ALTA.",
        "pt": "Você não receberá mais mensagens nossas. Para voltar a recebê-las, escreva COMEÇAR.",
    },
    "opted_in": {
        "en": "Welcome back: you get our messages again. How can I help you?",
        "es": "Te damos la bienvenida de nuevo: vuelves a recibir nuestros mensajes. ¿En qué te ayudo?",
        "pt": "Que bom ter você de volta: nossas mensagens chegam de novo. Como posso ajudar?",
    },
    "turns_spent": {
        "en": "We have exchanged very many messages within an hour. I will answer again a little later.",
        "es": "Hemos intercambiado muchísimos mensajes en una hora. Volveré a responder un poco más tarde.",
        "pt": "Trocamos muitas mensagens em uma hora. Voltarei a responder um pouco mais tarde.",
    },
    "tokens_spent": {
        "en": "I have answered as much as I can for today. Please write again tomorrow.",
        "es": "Por hoy ya no puedo responder más. Escríbenos de nuevo mañana, por favor.",
        "pt": "Por hoje já não consigo responder mais. Escreva de novo amanhã, por favor.",
    },
    "help": {
        "en": "Just write to me. I also understand:\n{commands}",
        "es": "Escríbeme sin más. También entiendo:\n{commands}",
        "pt": "É só escrever para mim. Também entendo:\n{commands}",
    },
    "help_help": {"en": "shows this list", "es": "muestra esta lista", "pt": "mostra esta lista"},
    "help_model": {
        "en": "shows or changes the model that answers",
        "es": "muestra o cambia el modelo que responde",
        "pt": "mostra ou troca o modelo que responde",
    },
    "help_reset": {
        "en": "forgets what was said so far",
        "es": "olvida lo que se ha dicho hasta ahora",
        "pt": "esquece o que foi dito até agora",
    },
    "help_status": {
        "en": "shows who answers you, and how",
        "es": "muestra quién te responde, y cómo",
        "pt": "mostra quem responde, e como",
    },
    "help_human": {
        "en": "passes you on to a person",
        "es": "te pasa con una persona",
        "pt": "passa você para uma pessoa",
    },
    "help_lang": {
        "en": "shows or chooses the language, for example /lang es, or /lang auto",
        "es": "muestra o elige el idioma, por ejemplo /lang es, o /lang auto",
        "pt": "mostra ou escolhe o idioma, por exemplo /lang pt, ou /lang auto",
    },
    "unknown_command": {
        "en": "I do not know {command}. I understand:\n{commands}",
        "es": "No conozco {command}. Entiendo:\n{commands}",
        "pt": "Não conheço {command}. Entendo:\n{commands}",
    },
    "model_now": {
        "en": "The model is {model}. To change it, write /model and one of: {models}.",
        "es": "El modelo es {model}. Para cambiarlo, escribe /model y uno de: {models}.",
        "pt": "O modelo é {model}. Para trocá-lo, escreva /model e um destes: {models}.",
    },
    "model_only": {
        "en": "The model is {model}. There is no other to choose.",
        "es": "El modelo es {model}. No hay otro que elegir.",
        "pt": "O modelo é {model}. Não há outro para escolher.",
    },
    "model_set": {
        "en": "From now on {model} answers.",
        "es": "Desde ahora responde {model}.",
        "pt": "A partir de agora quem responde é {model}.",
    },
    "model_refused": {
        "en": "{model} is not to be had here. You may choose: {models}.",
        "es": "{model} no está disponible aquí. Puedes elegir: {models}.",
        "pt": "{model} não está disponível aqui. Você pode escolher: {models}.",
    },
    "model_default": {"en": "the default", "es": "el predeterminado", "pt": "o padrão"},
    "reset": {
        "en": "Done: we begin anew.",
        "es": "Hecho: empezamos de nuevo.",
        "pt": "Pronto: começamos de novo.",
    },
    "status": {
        "en": "Model: {model}\nLanguage: {language}\nAnswering: the assistant\nMessages so far: {messages}",
        "es": "Modelo: {model}\nIdioma: {language}\nResponde: el asistente\nMensajes hasta ahora: {messages}",
        "pt": "Modelo: {model}\nIdioma: {language}\nResponde: o assistente\nMensagens até agora: {messages}",
    },
    "language_unknown": {"en": "not known yet", "es": "todavía no se sabe", "pt": "ainda não se sabe"},
    "language_chosen": {
        "en": "{language}, as you chose",
        "es": "{language}, como elegiste",
        "pt": "{language}, como escolheu",
    },
    "language_now": {
        "en": "Language: {language}. To choose, write /lang and one of: {languages}, or auto.",
        "es": "Idioma: {language}. Para elegir, escribe /lang y uno de: {languages}, o auto.",
        "pt": "Idioma: {language}. Para escolher, escreva /lang e um destes: {languages}, ou auto.",
    },
    "language_set": {
        "en": "From now on I answer in English.",
        "es": "Desde ahora respondo en español.",
        "pt": "A partir de agora respondo em português.",
    },
    "language_set_to": {
        "en": "From now on I answer in this language: {language}.",
        "es": "Desde ahora respondo en este idioma: {language}.",
        "pt": "A partir de agora respondo neste idioma: {language}.",
    },
    "language_auto": {
        "en": "From now on I answer in the language that you write in.",
        "es": "Desde ahora respondo en el idioma en que escribas.",
        "pt": "A partir de agora respondo no idioma em que você escrever.",
    },
    "language_refused": {
        "en": "I do not know the language {language}. You may choose: {languages}, or auto.",
        "es": "No conozco el idioma {language}. Puedes elegir: {languages}, o auto.",
        "pt": "Não conheço o idioma {language}. Você pode escolher: {languages}, ou auto.",
    },
}


@dataclass(frozen=True, slots=True)
class Texts:
    """The sentences of one agent service."""

    table: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: TEXTS)

    def say(self, name: str, language: str, /, **values: str) -> str:
        """The sentence, in the language if it is written in it, else in English."""
        return self.table[name][spoken(language)].format(**values)

    def every(self, name: str) -> frozenset[str]:
        """The sentence in all languages, as it would have been said. Only for one without values."""
        return frozenset(each.format() for each in self.table[name].values())


def replaced(wanted: Mapping[str, object]) -> Texts:
    """With sentences of an operator's own, by name and language. Raises ValueError, in one line, for what cannot be."""
    table = {name: dict(wordings) for name, wordings in TEXTS.items()}
    for name, wordings in wanted.items():
        if name not in table or not isinstance(wordings, Mapping):
            raise ValueError(f"{name} is none of: {', '.join(table)}")
        for code, text in wordings.items():
            _check(f"{name}.{code}", text, instead_of=TEXTS[name].get(code))
            table[name][code] = text
    return Texts(table)


def spoken(language: str) -> str:
    """The language of ours that is nearest: that of "pt-BR" is "pt"."""
    base = language.partition("-")[0].lower()
    return base if base in LANGUAGES else DEFAULT


def placeholders(text: str) -> set[str]:
    """What a sentence asks for: what stands in its braces. ValueError where they do not pair."""
    parts = [each[1:] for each in Formatter().parse(text) if each[1] is not None]
    return {" ".join(filter(None, part)) for part in parts}


def _check(where: str, text: object, *, instead_of: str | None) -> None:
    if instead_of is None:
        raise ValueError(f"{where}: the languages are {', '.join(LANGUAGES)}")
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{where} must be a text")
    if len(text) > MOST_CHARACTERS or "\0" in text:
        raise ValueError(f"{where} has more than {MOST_CHARACTERS} characters, or a NUL")
    known = placeholders(instead_of)
    try:
        asked = placeholders(text)
    except ValueError:
        raise ValueError(f"{where} has a single brace; to be said, it is written twice") from None
    if not asked <= known:
        values = ", ".join(f"{{{each}}}" for each in sorted(known)) or "none"
        raise ValueError(f"{where} asks for a value that there is not; there are: {values}")
