"""What does a contact command, and what is answered to it without a model? /help, /model, /reset, and the tenant's own.

A turn may hold several messages: commands are obeyed in their order, each with its reply; what else was said goes to
the model, whose answer comes last. /reset takes back what was said before it, and after /human a person reads the rest.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from agent_service.domain import hand_off, second_tries
from agent_service.domain.draft import MOST_REPLIES, REPLIED, Draft, Ending
from agent_service.domain.languages import NAMES
from agent_service.domain.texts import LANGUAGES, TEXTS
from parley.chat.v1.message_pb2 import Message
from parley.storage.v1.conversation_change_pb2 import HandOffReason, Language
from parley.storage.v1.manners_pb2 import UnknownCommand
from parley.storage.v1.turn_requests_pb2 import LeasedTurn

# A slash that an East Asian keyboard writes counts, and so does "/help@our_bot" as Telegram writes it in groups. A
# path or an address is no command: its name is followed by more than a space.
WRITTEN = re.compile(r"[\s\u200b-\u200f\u2060\ufeff]*[/\uff0f]([^\W\d][\w-]{0,31})(?:@\w+)?(?:\s+(.*))?\s*", re.DOTALL)
HINT = UnknownCommand.UNKNOWN_COMMAND_HINT
# What people write for it; Telegram's apps send /start when somebody opens a chat.
ALIASES = {
    **dict.fromkeys(("start", "ayuda", "ajuda"), "help"),
    **dict.fromkeys(("modelo",), "model"),
    **dict.fromkeys(("reiniciar", "recomecar", "recomeçar"), "reset"),
    **dict.fromkeys(("estado",), "status"),
    **dict.fromkeys(("humano", "persona", "pessoa", "agent"), "human"),
    **dict.fromkeys(("language", "idioma", "lingua", "língua"), "lang"),
}
LANGUAGE_WORDS = {
    **{name.lower(): code for names in (NAMES, LANGUAGES) for code, name in names.items()},
    **{"espanol": "es", "castellano": "es", "portugues": "pt", "ingles": "en", "inglés": "en", "inglês": "en"},
}
CODE = re.compile(r"[a-z]{2}(?:-[a-z0-9]{2,8})?")
OWN_MODEL, AUTO = "default", "auto"


class Command(NamedTuple):
    """A command as it was written: its name in lower case, and what follows it."""

    name: str
    argument: str


@dataclass(frozen=True, slots=True)
class Known:
    """What there is to choose from: models by name (empty: nobody knows), and languages by code."""

    models: Collection[str]
    languages: Collection[str]


class Order(NamedTuple):
    """What a command is told: what followed it, and what there is to choose from."""

    argument: str
    known: Known


def parse(text: str) -> Command | None:
    """The command that a text is. A slash within it makes none."""
    found = WRITTEN.fullmatch(text)
    return Command(found[1].lower(), (found[2] or "").strip()) if found else None


def obey(draft: Draft, known: Known) -> Ending | None:
    """Does what is commanded. Ends the turn when nothing is left for the model."""
    written = list(draft.turn.messages)
    if not any(parse(message.text) for message in written):
        return None
    left: list[Message] = []
    draft.turn = _copied(draft.turn)
    for message in written:
        command = None if message.attachments else parse(message.text)
        if command is not None and second_tries.was_told(draft.turn, message):
            continue
        name, reply = _answer(draft, command, known=known)
        if name == "human":
            return hand_off.ending(draft, HandOffReason.HAND_OFF_REASON_CONTACT_ASKED)
        if name == "reset":
            left.clear()
        if reply is None:
            left.append(message)
        else:
            _say(draft, reply)
    del draft.turn.messages[:]
    draft.turn.messages.extend(left)
    return None if left else Ending(REPLIED)


def _copied(turn: LeasedTurn) -> LeasedTurn:
    """What was leased stays as it is: the turn may be told once more."""
    copy = LeasedTurn()
    copy.CopyFrom(turn)
    return copy


def _answer(draft: Draft, command: Command | None, *, known: Known) -> tuple[str, str | None]:
    """What was commanded, and the reply. No reply means that the model answers."""
    if command is None:
        return "", None
    manners = draft.turn.setting.manners
    own = {name.lower().removeprefix("/"): text for name, text in manners.commands.items()}
    if command.name in own:
        return command.name, own[command.name]
    name = ALIASES.get(command.name, command.name)
    if name == "human":
        return name, ""
    if name in HANDLERS:
        return name, HANDLERS[name](draft, Order(command.argument, known))
    if manners.unknown_command != HINT:
        return "", None
    return "", draft.say("unknown_command", command=f"/{command.name}", commands=_listed(draft))


def _say(draft: Draft, text: str) -> None:
    """One reply for each command. A place is kept for the model's; when they run out, texts share the last one."""
    if len(draft.said) < MOST_REPLIES - 1:
        draft.said.append(text)
    else:
        draft.said[-1] += f"\n\n{text}"


def _help(draft: Draft, _order: Order) -> str:
    return draft.say("help", commands=_listed(draft))


def _listed(draft: Draft) -> str:
    lines = [f"/{name}: {draft.say(f'help_{name}')}" for name in BUILT_IN]
    return "\n".join([*lines, *(f"/{name.removeprefix('/')}" for name in sorted(draft.turn.setting.manners.commands))])


def _model(draft: Draft, order: Order) -> str:
    argument, known = order
    setting = draft.turn.setting
    allowed = [name for name in setting.manners.models if not known.models or _exists(name, known.models)]
    offered = ", ".join([*allowed, OWN_MODEL])
    current = setting.model or draft.say("model_default")
    if not argument:
        return draft.say("model_now" if allowed else "model_only", model=current, models=offered)
    wanted = argument.lower()
    if wanted == OWN_MODEL:
        # The agent's own is not in the lease: it holds from the next turn on.
        draft.change.model = ""
        return draft.say("model_set", model=draft.say("model_default"))
    chosen = next((name for name in (*allowed, setting.model) if name and name.lower() == wanted), None)
    if chosen is None:
        return draft.say("model_refused", model=argument[:64], models=offered)
    draft.change.model = setting.model = chosen
    return draft.say("model_set", model=chosen)


def _exists(name: str, models: Collection[str]) -> bool:
    """Without the tag that Ollama adds, a name means its latest."""
    return name in models or f"{name}:latest" in models


def _reset(draft: Draft, _order: Order) -> str:
    setting = draft.turn.setting
    draft.change.reset = True
    draft.change.ClearField("model")
    del draft.turn.history[:]
    setting.summary, setting.summary_seq, setting.model_conversation = "", 0, ""
    return draft.say("reset")


def _status(draft: Draft, _order: Order) -> str:
    turn = draft.turn
    count = len(turn.history) + len(turn.messages)
    return draft.say(
        "status",
        model=turn.setting.model or draft.say("model_default"),
        language=_language_of(draft),
        messages=f"{count}+" if turn.setting.summary else str(count),
    )


def _lang(draft: Draft, order: Order) -> str:
    argument, known = order
    languages = ", ".join(known.languages)
    if not argument:
        return draft.say("language_now", language=_language_of(draft), languages=languages)
    word = argument.split()[0].lower()
    wanted = LANGUAGE_WORDS.get(word, word.replace("_", "-"))
    if wanted == AUTO:
        draft.change.language.CopyFrom(Language(code=draft.language))
        return draft.say("language_auto")
    if wanted.partition("-")[0] not in known.languages or not CODE.fullmatch(wanted):
        return draft.say("language_refused", language=word[:16], languages=languages)
    draft.change.language.CopyFrom(Language(code=wanted, confidence=1.0, chosen=True))
    if wanted.partition("-")[0] in LANGUAGES:
        return draft.say("language_set")
    return draft.say("language_set_to", language=NAMES.get(wanted.partition("-")[0], wanted))


def _language_of(draft: Draft) -> str:
    language = draft.change.language if draft.change.HasField("language") else draft.turn.setting.language
    if not language.code:
        return draft.say("language_unknown")
    base = language.code.partition("-")[0]
    name = LANGUAGES.get(base) or NAMES.get(base, language.code)
    return draft.say("language_chosen", language=name) if language.chosen else name


HANDLERS: Mapping[str, Callable[[Draft, Order], str]] = {
    "help": _help,
    "model": _model,
    "reset": _reset,
    "status": _status,
    "lang": _lang,
}
BUILT_IN: Iterable[str] = tuple(name.removeprefix("help_") for name in TEXTS if name.startswith("help_"))
