"""What do people write to a shop or a service? Short, in a hurry, without accents, with slang, and sometimes mixed.

Written for these tests; a mixed message bears the language that it is to be answered in.
"""

ENGLISH = """
hi
hello there
thanks
thank you so much!!
where is my order?
wheres my order
i need help plz
can u help me
do you ship to Mexico?
how much is it
my package never arrived
i want a refund
its broken
the screen is cracked, what now
whats ur address
when do you open
is anyone there??
i'd like to change my size to L
sorry wrong number
no i dont have it
yes please
yep thats right
good morning
i paid twice for the same thing
tracking number says delivered but nothing here
stil waitng for my refnd
nope
talk to you later
hola, do you speak english?
the tamales were great, when can I order again
"""

SPANISH = """
hola
holaaa
buenas
buenos dias
gracias
muchas gracias!!
donde esta mi pedido
dónde está mi pedido?
cuanto cuesta
cuánto sale el envío
necesito ayuda porfa
quiero devolver unos zapatos
no me llego nada
todavia no llega mi paquete
me cobraron dos veces
tienen talla M?
aceptan tarjeta?
a que hora abren
quiero hablar con alguien
si, por favor
no, ese no es
ya lo hice y no funciona
q onda, ya salio mi pedido?
xq no me contestan
esta roto
ustedes mandan a colombia
quisiera cambiar la direccion de entrega
mi numero de pedido es 44213
oye el link no abre
quiero comprar el case del iphone en color negro
nesecito saver si ay en stock
vale, perfecto
"""

PORTUGUESE = """
oi
olá
oie tudo bem?
bom dia
boa tarde
obrigado
obg!!
cade meu pedido
onde está o meu pedido?
quanto custa
qual o valor do frete
preciso de ajuda
quero devolver um produto
nao recebi nada ainda
ainda nao chegou
me cobraram duas vezes
vcs tem tamanho M?
aceita cartao?
que horas voces abrem
quero falar com alguem
sim por favor
nao, nao é esse
ja fiz isso e nao funciona
blz, valeu
pq ninguem me responde
ta quebrado
voces entregam em lisboa?
queria trocar o endereco de entrega
meu pedido é o 44213
o link nao abre
to esperando faz 3 semanas
gostei muito, quero mais um
presiso de um reembouso
"""

# Nothing can be told from these.
NOTHING = """
ok
OK!!
12345
+1 415 555 0100
👍
😂😂😂
https://example.com/pedido/123
maria@example.com
@maria
Maria
João Silva
jajaja 123
?
...
kkkk
#44213
iPhone 15
PayPal
"""

SAMPLES = tuple(
    (text, code)
    for code, block in (("en", ENGLISH), ("es", SPANISH), ("pt", PORTUGUESE))
    for text in block.strip().splitlines()
)
EMPTY = tuple(NOTHING.strip().splitlines())

# Whole conversations, with what makes a detector stumble: names, one word of another language, brands, "ok".
CONVERSATIONS = (
    (
        "es",
        """
Hola
quiero saber si tienen el iPhone 15 Pro Max
ok
el case tambien?
y en color Space Black
cuanto seria en total
perfecto
Maria Fernanda Gomez
+52 55 1234 5678
lo mandan por FedEx o DHL
cool
no problem
me avisan por whatsapp porfa
super, thanks!
bye
""",
    ),
    (
        "en",
        """
hey
do you have the Adidas Samba in size 9
nice
how much
hola is that the final price lol
can you ship to São Paulo
my name is João Carlos da Silva
Rua Augusta 1200
ok
obrigado!
when will it arrive
cool thanks
do you have a store in Los Angeles or San Diego
por favor
yes the white one please
""",
    ),
    (
        "pt",
        """
Oi
vcs tem o tenis Nike Air Max
qual o preco
tamanho 42
no pix tem desconto?
ok
blz
Ana Paula
entrega em Buenos Aires?
show
quanto tempo demora
thanks
manda o link
gracias
valeu demais
""",
    ),
    (
        "es",
        """
buenas tardes
tengo un problema con mi cuenta
me sale error: invalid password, please try again
ya probe tres veces
juan.perez@gmail.com
no
nada
sigue igual
ok gracias
""",
    ),
    (
        "pt",
        """
bom dia
não consigo entrar
aparece: your session has expired
já tentei
sim
no celular
Samsung
deu certo
obrigada
""",
    ),
    (
        "es",
        """
hola buenas
para cuando estaria listo?
no se
me lo confirmas?
dale
es para una fiesta de 15 personas
mesa afuera si se puede
a nombre de Bruno
si
de nada
casi me olvido, una torta de chocolate
con todo
pago con visa
bárbaro
""",
    ),
    (
        "pt",
        """
boa noite
tem mesa para 4 hoje?
às 20h
sim
com vista para o mar se possível
em nome de Mercedes
no
certo
qual o cardápio
picanha e farofa
a conta vem com 10%?
pode ser
até mais
""",
    ),
    (
        "en",
        """
hello
i ordered a burrito bowl and a quesadilla, never came
its been 2 hrs
no
cash
como?
what do you mean
i said 2 hours!!
la croix, 2 cans
wtf
ok fine
send it to 12 Calle Ocho, Miami
gracias
""",
    ),
    (
        "es",
        """
me pueden mandar el link de zoom
no me llego el mail
ah ya
lo vi en spam
thx
una pregunta
el webinar es en ingles o español
y hay replay?
genial
lo comparto en linkedin
👍
consulta
los slides digo jaja
""",
    ),
    (
        "pt",
        """
ola
como faço para cancelar minha assinatura
o app nao deixa
da erro 404
login: ana.souza
nao
ja reinstalei
no android
e no notebook tambem
nada
ok vou esperar
obg
""",
    ),
    (
        "en",
        """
hi i need an invoice
for my company, Muebles del Norte S.A. de C.V.
yes
RFC MNO850101AB1
monterrey, nuevo leon
november
the total should be 4,500 pesos
no thats the other one
perfecto
thank you
""",
    ),
)

# Who changes: from, to, and what they then write.
SWITCHES = (
    ("en", "es", "perdon, no hablo ingles, me puede ayudar en español?"),
    ("es", "en", "sorry can we switch to english, my spanish is not very good"),
    ("es", "pt", "oi, desculpa\nvoces falam portugues? nao entendi nada"),
    ("pt", "es", "hola\nbuenos dias"),
    ("en", "pt", "bom dia\nobrigado"),
)
