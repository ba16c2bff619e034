"""Does a message clearly ask for a human? A whole clause must say so: "I don't want to talk to a person" does not."""

import re

from agent_service.domain.languages import plain

# A wish that is clear is short; what else it is about may follow.
MOST_CHARACTERS = 300
CLAUSES = re.compile(r"[.!?¿¡;,:\n]+")

_ENGLISH = (
    r"(?:(?:hi|hello|hey|please|pls|plz|ok|okay|no|just|sorry|then|so) )*",
    r"(?:(?:i (?:just |really |only )?(?:want|need|wish|have|would like|wanna)|i'?d (?:really |just )?like|can i"
    r"|could i|may i|let me|how (?:can|do) i|is it possible)(?: (?:please|just))?(?: to)? )?"
    r"(?:talk|speak|chat|be connected|be transferred|be passed on|be put through|get connected)"
    r"(?: directly)? (?:to|with) |(?:(?:can|could|would|will) you )?(?:please )?"
    r"(?:get|give|connect|transfer|pass|put|hand|send) me "
    r"(?:(?:over|through|on) )?(?:(?:to|with) )?|i (?:just |really )?(?:want|need|would like) |i'?d like ",
    r"(?:(?:a|an|the|some|your|any|another) )?(?:(?:real|live|actual|human|customer service|support) )?"
    r"(?:human(?: being)?|person|agent|representative|rep|operator|advisor|someone|somebody|manager|supervisor)"
    r"(?: (?:real|human|else|from (?:the|your) (?:team|staff|company)))?",
    r"(?: (?:please|pls|plz|now|right now|here|today|instead|asap))*(?: (?:about|regarding) .{1,200})?",
)
_SPANISH = (
    r"(?:(?:hola|buenas|por favor|porfa|porfavor|ok|si|mejor|entonces|disculpa) )*",
    r"(?:(?:(?:yo )?(?:solo )?(?:quiero|quisiera|necesito|puedo|podria|deseo|me gustaria|prefiero|dejame|como puedo) )?"
    r"(?:hablar|conversar|chatear|comunicarme|contactarme|contactar) (?:directamente )?con "
    r"|(?:(?:me )?(?:pueden?|puedes|podrias?|podrian) )?(?:me )?(?:pasa|pasas|pasame|paseme|pasarme|comunica|comunicas"
    r"|comunicame|comuniqueme|comunicar|comunicarme|conecta|conectame|transfiere|transfiereme|pon|ponme|pongame|pasar) "
    r"(?:(?:con|a) )?|(?:quiero|quisiera|necesito) (?:a )?)",
    r"(?:(?:un|una|el|la|algun|alguna|otra|otro|su) )?(?:asesora?|agente|humano|humana|persona|operadora?|representante"
    r"|ejecutiv[oa]|encargad[oa]|supervisora?|gerente|alguien|ser humano)"
    r"(?: (?:humano|humana|real|de verdad|del equipo|de su equipo|de carne y hueso|de soporte|de atencion|de ventas"
    r"|de la tienda))?",
    r"(?: (?:por favor|porfa|porfavor|ya|ahora|hoy|urgente))*(?: sobre .{1,200})?",
)
_PORTUGUESE = (
    r"(?:(?:oi|ola|por favor|pf|pfv|ok|sim|entao|melhor|desculpa|eu|so) )*",
    r"(?:(?:(?:eu )?(?:so )?(?:quero|queria|gostaria de|preciso|posso|poderia|da pra|da para|deixa eu|prefiro|como faco"
    r" para) )?(?:falar|conversar|fala) (?:direto |diretamente )?com |(?:(?:voce |vc )?(?:pode|podem|poderia) )?"
    r"(?:me )?(?:passa|passe|passar|transfere|transfira|transferir|conecta|conecte|chama|chame|chamar) "
    r"(?:(?:pra|para|com) )?"
    r"|(?:quero|queria|preciso)(?: de)? )",
    r"(?:(?:um|uma|o|a|algum|alguma|outra|outro) )?(?:atendente|humano|humana|pessoa|agente|operadora?|representante"
    r"|responsavel|gerente|supervisora?|alguem|ser humano)"
    r"(?: (?:humano|humana|real|de verdade|da equipe|do suporte|da loja|de vendas))?",
    r"(?: (?:por favor|pf|pfv|agora|ja|hoje|urgente))*(?: sobre .{1,200})?",
)
WISHES = tuple(
    re.compile(f"{before}(?:{wish}){whom}{after}") for before, wish, whom, after in (_ENGLISH, _SPANISH, _PORTUGUESE)
)
# What fills a whole message.
_WORDS = "human agent representative operator humano agente atendente asesor asesora operador operadora representante"
_PHRASES = (
    "real person",
    "live agent",
    "human please",
    "agent please",
    "persona real",
    "a human",
    "un humano",
    "um humano",
)
ALONE = frozenset((*_WORDS.split(), *_PHRASES))


def asks_for_a_human(text: str) -> bool:
    """True when a clause of the message is such a wish, and nothing else."""
    if len(text) > MOST_CHARACTERS:
        return False
    clauses = [" ".join(clause.split()) for clause in CLAUSES.split(plain(text))]
    clauses = [clause for clause in clauses if clause]
    if len(clauses) == 1 and clauses[0] in ALONE:
        return True
    return any(wish.fullmatch(clause) for clause in clauses for wish in WISHES)
