"""Which words and endings tell languages apart? Written without accents, since people in a hurry leave them out.

A word that stands in two lists speaks for both, but for less; so words that two languages share belong in both.
"""

_ENGLISH = """
a about after again all already also always am an and another any anyone anything are around as ask at away back bad
be because been before best better but buy by bye call came can can't cannot cant change check come could couldn't day
did didn't didnt do does doesn't doesnt doing don't done dont down else email enough even ever every everything
exactly feel few find fine first for found from get getting give go going gonna gone good got great had has hate have
haven't having he hello help her here hers hey hi him his hot how how's hows however human i i'd i'll i'm i've if im
in into is isn't isnt it it's its ive just keep know last late later leave let let's like little long look looking lot
love made make many maybe me mean might mine money more morning most much must my myself name need needs never new
next nice night no nobody nope not nothing now of off old on once one only open or order other our out over paid pay
people person phone pick place please pls plz price problem put quick question quite ready really received refund
right said same saw say see sell send sent she shipping should shouldn't since size so some someone something soon
sorry speak start still stop store such support sure take talk tell than thank thanks that that's thats the their them
then there there's these they they're thing things think this those though through thx till time to today told
tomorrow tonight too track tried try trying two u under until up ur us use used very wait waiting want wanna wanted
wants was wasn't way we we're week weeks well went were what what's whats when where where's which while who why will
wish with without won't wont work working works would wouldn't wrong yeah yep yes yesterday yet you you're your yours
youre afternoon anybody cheap expensive broken cancel cheers bought closed delivery discount free shop shoes
yesterday's agent big card bill
"""

_SPANISH = """
a abierto abren adios ahi ahora al algo alguien algun alguna algunas alguno algunos alla alli ano antes aqui asi aun
aunque ayer ayuda ayudar ayudame ayudarme bien buen buena buenas bueno buenos cada cambiar cambio casa casi cerca chau
cierran claro comida como compra comprar compre con conmigo contigo cosa cosas creo cual cuales cualquier cuando
cuanta cuantas cuanto cuantos cuenta cuesta cuestan da dame de debe debo decir dejar del demasiado desde despues dia
dias dice dices digo dime dinero donde dos e el ella ellas ellos en entonces entrega envian envio enviar era eran eres
es esa ese eso esos espera esperando esperar esta estaba estan estado estamos estar estas este esto estos estoy estuvo
factura favor finde fue fueron fui funciona gente gracias gran grande gusta gustaria ha haber hablar habla hace hacer
haces hacia hago han hasta hay he hecho hermano hice hizo hola horario hora horas hoy iba igual ir la las le les listo
llama llamar llamo llega llegado llegar llego llegue llevo lo los luego lugar mal malo manana mandar mandaron mas me
medio mejor menos mensaje mi mio mira mis mismo momento mucha muchas mucho muchos muy nada nadie necesito ni ningun
ninguna no noche noches nombre nos nosotros nuestra nuestro nueva nuevo numero nunca o ok os otra otras otro otros oye
pagar pago pague para parece pasa paso pedido pedidos pedi pero persona pido pidio poco poder podria podrian por porfa
porfavor porque precio pregunta problema pronto pude pudo pues puede pueden puedes puedo q que quien quienes quiere
quieren quieres quiero quisiera recibi recibido recibir responde respuesta sabe saben saber sabes se sea seguir segun
semana ser seria si siempre sigo sigue sin sobre solo somos son soy su sus tal talla tambien tampoco tan tanto tarde
tardes tarjeta tb te tendra tengo tenia tenemos ti tiempo tiene tienen tienes tienda toda todas todavia todo todos toy
trabajo tu tus tuve tuvo ultima un una unas uno unos usted ustedes va vale vamos van vas veces ven vender ver vez vi
viene vos voy wey xq y ya yo zapatos aca porq pq gratis queda quedo roto rota direccion siento perdon vendo talle
plata tardan tarda ay domicilio cobraron reembolso devolver devolucion devuelvan cancelar
"""

_PORTUGUESE = """
a abre abrem acho agora ai ainda alem algo alguem algum alguma alguns amanha antes ao aos apenas aquela aquele aquilo
aqui as assim ate atraves bem blz boa boas bom bons brigado brigada cade cada caixa cartao casa certo chega chegar
chegou chegaram cobrado cobranca coisa coisas com comigo como compra comprar comprei conta contigo consegue consigo
cor custa custam da dar das de deles dela dele demais demora demorando depois desculpa desculpe dessa desse desde deu
devo devolver dia dias disse diz dizer do dois dos duas e ei ela elas ele eles em embora encomenda endereco entao
entrega entregar enviar era errado essa essas esse esses esta estamos estao estar estava estavam este estou eu existe
fala falar falei faz fazer fecha feito fez fiz fica ficar ficou foi fora foram fui funciona funcionando gente gosto
gostaria gostei hoje hora horas horario ia isso isto ja jeito la legal lhe loja mais mal mandar mandaram mandei mano
mas me melhor menos mensagem mesma mesmo meu meus mim minha minhas moca moco momento muita muitas muito muitos na nada
nao nas nem nenhum nenhuma ne ninguem no pelos pelas sob entre noite nome nos nossa nosso nota nova novo num numa
numero nunca o obg obrigada obrigado oi oie ola onde ontem os ou outra outras outro outros pagar paguei para parece
pedi pedido pela pelo pessoa pode podem poderia posso pouco pq pra pras prazo preciso precisa preco pro produto
problema por porque porfavor favor qnd qnto q qual quais qualquer quando quanta quanto quantos quase que quem quer
quero queria recebi receber recebido responde resposta saber sabe sao se sei sem semana sempre sendo ser sera seu seus
sim so sobre sou sua suas tal tamanho tambem tanta tanto tao ta tarde tb tbm td te tem temos tempo tenho ter teria
teve tinha tive to toda todas todo todos trocar troca tres tu tudo um uma umas uns vai valeu vamos vao vc vcs veio vem
ver vez vezes viu voce voces vou volta vossa atendente atendimento ajuda ajudar ajude sapato tenis quebrado quebrou
veja dinheiro reembolso cancelar demorou chegando
"""

_FRENCH = """
a ai alors apres au aucun aussi autre aux avant avec avez avoir avons beaucoup bien bon bonjour bonsoir c'est ca car
ce cela ces cet cette ceux chez combien comme comment commande d'accord dans de deja depuis des deux dire dit dois
donc du elle elles en encore est et etait etes etre eu eux faire fait faut fois font il ils j'ai jamais je jour jours
l'ai la le les leur livraison lui ma maintenant mais mal me meme merci mes moi mon n'est ne non nos notre nous on ont
ou oui par parce parler pas peu peut peux plait plus pour pourquoi pouvez prix puis qu'il quand que quel quelle qui
quoi rien s'il sa sans se ses si son sont suis sur ta tes toi ton toujours tous tout tres trop tu un une va vais veux
voila votre vos voudrais vous y
"""

_GERMAN = """
aber alle als also am an auch auf aus bei bin bis bist bitte brauche da danke dann darf das dass dein dem den der des
dich die dir doch du ein eine einen einer er es etwas fur geht gibt guten habe haben hallo hast hat heute hier hilfe
ich ihr im immer in ist ja jetzt kann kannst kein keine konnen kommt leider lieferung man mehr mein meine mich mir mit
mochte morgen muss nach nicht nichts noch nur oder ohne paket preis schon sehr sein seit sich sie sind so tag und uns
unser viel vom von vor wann warum was wenn wer werden wie will wir wird wo zu zum zur bestellung
"""

_ITALIAN = """
a abbiamo adesso ai al alla allora anche ancora arrivato aiuto bene buona buongiorno buonasera c'e che chi ci ciao col
come con cosa cosi da dal del della deve devo di dopo dove e ecco ed era essere fa fare fatto gli grazie ha hai hanno
ho i il in io ieri la le lei lo loro ma mai male me mi mia mio molto ne negozio nei nel nella niente no noi non nostro
o oggi ogni ora ordine pacco per perche pero piu poco posso possibile prego prezzo prima puo quale quando quanto
quello questa questo qui sei sempre senza si sono sta stato su sua subito suo tanto te ti tra troppo tu tutti tutto un
una va vedere voglio voi volta vorrei vuoi
"""

WORDS = {
    "en": frozenset(_ENGLISH.split()),
    "es": frozenset(_SPANISH.split()),
    "pt": frozenset(_PORTUGUESE.split()),
    "fr": frozenset(_FRENCH.split()),
    "de": frozenset(_GERMAN.split()),
    "it": frozenset(_ITALIAN.split()),
}

# Letters that decide, as they were written.
LETTERS = {
    **{key: {"es": 2.0} for key in "ñ¿¡"},
    **{key: {"pt": 2.0} for key in "ãõ"},
    **{key: {"pt": 0.8, "fr": 0.5} for key in "êôâ"},
    **{key: {"es": 0.4, "pt": 0.35} for key in "áíóú"},
    **{key: {"de": 1.5} for key in "äöß"},
    **{key: {"it": 1.0} for key in "ìòù"},
    **{key: {"fr": 1.5} for key in "œî"},
    "ç": {"pt": 0.8, "fr": 0.6},
    "ü": {"de": 1.2, "es": 0.2},
    "è": {"fr": 0.8, "it": 0.7},
    "à": {"pt": 0.5, "fr": 0.6, "it": 0.5},
}

# Endings of words that stand in no list; of each word the longest counts.
ENDINGS = {
    **{key: {"es": 0.8} for key in ("cion", "ciones", "iendo", "dad", "aje", "illo", "illa", "ieron")},
    **{key: {"pt": 0.8} for key in ("cao", "coes", "dade", "agem", "agens", "inho", "inha", "eiro", "eira")},
    **{key: {"pt": 0.5} for key in ("ao", "oes", "aram", "ei", "ou", "endo")},
    **{key: {"es": 0.3} for key in ("aste", "aron", "ue", "uelo", "nes", "ble")},
    **{key: {"en": 0.8} for key in ("ing", "ness", "ght", "less", "ful", "ship", "n't", "'s", "'re", "'ll")},
    **{key: {"en": 0.4} for key in ("ed", "ly", "ck", "th", "ee", "ty", "sh")},
    **{key: {"fr": 0.4} for key in ("eux", "ment", "ez", "eau", "aux", "ique")},
    **{key: {"de": 0.7} for key in ("ung", "keit", "lich", "isch", "cht")},
    **{key: {"it": 0.8} for key in ("zione", "zioni", "etto", "ello", "tti", "ggio")},
    "dades": {"es": 0.4, "pt": 0.4},
    "mente": {"es": 0.4, "pt": 0.4, "it": 0.3},
    "tion": {"en": 0.5, "fr": 0.4},
    "ando": {"es": 0.3, "pt": 0.35},
    "os": {"es": 0.25, "pt": 0.2},
    "as": {"es": 0.25, "pt": 0.2},
    "o": {"es": 0.15, "pt": 0.15, "it": 0.15},
    "a": {"es": 0.15, "pt": 0.15, "it": 0.15},
}

# Letters within such a word.
INSIDE = {
    "lh": {"pt": 0.5},
    "nh": {"pt": 0.5},
    "cao": {"pt": 0.4},
    "sh": {"en": 0.3},
    "th": {"en": 0.3},
    "wh": {"en": 0.3},
    "oo": {"en": 0.3},
    "sch": {"de": 0.6},
    "ii": {"it": 0.2},
    "ue": {"es": 0.15},
    "ie": {"es": 0.1},
}

# Said in every language: they speak for none.
_EVERYWHERE = """
ok okay okey okk k kk kkk kkkk jaja jajaja jajajaja rs rsrs haha hahaha hehe lol lmao wow mm mmm hmm ah oh eh uh aha
bye x xx xd email mail wifi online app web gps sms whatsapp instagram facebook telegram youtube google iphone samsung
android paypal visa mastercard uber amazon nike adidas pdf usb led tv pc cd dvd id pin url usd eur brl mxn cafe taxi
hotel pizza chocolate radio video foto total normal social local final color
"""
EVERYWHERE = frozenset(_EVERYWHERE.split())
