"""Does the contact want no more messages, or wants them again? Said with one word that fills the whole message.

Carriers and WhatsApp ask for it on phone channels: https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out.
Elsewhere "cancel" is an ordinary answer, so an operator says on which channels the words hold.
"""

import re
from collections.abc import Container

from agent_service.domain.draft import REPLIED, Draft, Ending
from agent_service.domain.languages import plain
from agent_service.domain.texts import say
from parley.chat.v1.message_pb2 import Owner

OUT = {
    **dict.fromkeys(("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "opt-out"), "en"),
    **dict.fromkeys(("stop all", "opt out", "unsubscribe me"), "en"),
    **dict.fromkeys(("baja", "cancelar", "salir", "detener", "parar"), "es"),
    **dict.fromkeys(("dar de baja", "darme de baja", "cancelar suscripcion"), "es"),
    **dict.fromkeys(("pare", "sair", "remover", "descadastrar", "cancelar inscricao"), "pt"),
}
IN = {
    **dict.fromkeys(("start", "unstop", "subscribe", "optin", "opt-in", "opt in"), "en"),
    **dict.fromkeys(("alta", "iniciar", "reanudar", "suscribir"), "es"),
    **dict.fromkeys(("voltar", "inscrever"), "pt"),
}
# A message longer than this is more than one word, however many spaces it has.
MOST_CHARACTERS = 64
AROUND = re.compile(r"^[\W_]+|[\W_]+$")


def opt(draft: Draft, channels: frozenset[str]) -> Ending | None:
    """Ends the turn when the contact opts out, whatever else they said, or back in with nothing else."""
    if draft.turn.channel not in channels:
        return None
    words = [_word(message.text) for message in draft.turn.messages if not message.attachments]
    out, back = _last(words, OUT), _last(words, IN)
    gone = draft.turn.setting.owner == Owner.OWNER_NONE
    if out > back:
        return None if gone else _ending(draft, OUT[words[out]], opted_out=True)
    # To somebody who never left, "start" is a word like any other.
    if back >= 0 and (gone or out >= 0):
        return _ending(draft, IN[words[back]], opted_out=False)
    return None


def _ending(draft: Draft, language: str, *, opted_out: bool) -> Ending:
    draft.change.opted_out = opted_out
    return Ending(REPLIED, "", (say("opted_out" if opted_out else "opted_in", draft.language or language),))


def _word(text: str) -> str:
    """The message as it is compared: "  ¡STOP! " is "stop"."""
    return "" if len(text) > MOST_CHARACTERS else AROUND.sub("", " ".join(plain(text).split()))


def _last(words: list[str], wanted: Container[str]) -> int:
    return max((place for place, word in enumerate(words) if word in wanted), default=-1)
