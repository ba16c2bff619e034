"""Does the contact want no more messages, or wants them again? Said with one word that fills the whole message.

Carriers and WhatsApp ask for it on phone channels: https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out.
Elsewhere "cancel" is an ordinary answer, so an operator says on which channels the words hold.
"""

import re

from agent_service.domain.draft import REPLIED, Draft, Ending
from agent_service.domain.languages import plain
from parley.chat.v1.message_pb2 import Owner

NONE = Owner.OWNER_NONE
OUT = {
    **dict.fromkeys(("stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "opt-out"), "en"),
    **dict.fromkeys(("stop all", "opt out", "unsubscribe me", "/stop"), "en"),
    **dict.fromkeys(("baja", "cancelar", "salir", "detener", "parar"), "es"),
    **dict.fromkeys(("dar de baja", "darme de baja", "cancelar suscripcion"), "es"),
    **dict.fromkeys(("pare", "sair", "remover", "descadastrar", "cancelar inscricao"), "pt"),
}
# Storage begins a turn of somebody who left for these words only: see ConversationChange.opted_out.
IN = {
    **dict.fromkeys(("start", "unstop"), "en"),
    **dict.fromkeys(("alta", "iniciar"), "es"),
    "comecar": "pt",
}
# Said to somebody who never left, these answer a question.
ASSENT = {"yes": "en", "si": "es", "sim": "pt"}
# A message longer than this is more than one word, however many spaces it has.
MOST_CHARACTERS = 64
# A slash before it makes it a command, which may be the tenant's own: only "/stop" can mean nothing else.
AROUND = re.compile(r"^(?:[^\w/]|_)+|[\W_]+$")


def opt(draft: Draft, channels: frozenset[str]) -> Ending | None:
    """Ends the turn when the contact opts out, whatever else they said, or back in."""
    setting = draft.turn.setting
    words = [_word(message.text) for message in draft.turn.messages if not message.attachments]
    # A storage of the version before says only that nobody answers, and asks for nothing but their return then.
    gone = setting.opted_out or (setting.owner == NONE and not any(word in OUT for word in words))
    if not gone and draft.turn.channel not in channels:
        return None
    if gone:
        back = next((word for word in words if word in IN or word in ASSENT), None)
        return _ending(draft, (IN | ASSENT)[back], opted_out=False) if back is not None else None
    # To somebody who never left, "start" is a word like any other, unless it takes back the one before it.
    said = [word for word in words if word in OUT or word in IN]
    if not any(word in OUT for word in said):
        return None
    last = said[-1]
    return _ending(draft, (OUT | IN)[last], opted_out=last in OUT)


def _ending(draft: Draft, language: str, *, opted_out: bool) -> Ending:
    draft.change.opted_out = opted_out
    name = "opted_out" if opted_out else "opted_in"
    return Ending(REPLIED, "", (draft.texts.say(name, draft.language or language),))


def _word(text: str) -> str:
    """The message as it is compared: "  ¡STOP! " is "stop"."""
    return "" if len(text) > MOST_CHARACTERS else AROUND.sub("", " ".join(plain(text).split()))
