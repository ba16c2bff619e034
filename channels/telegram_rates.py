"""How fast may a bot send? So many a second in all, fewer in one chat, and fewest in a group."""

from channels.rates import Rate, Rates

# https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
GROUP, PERSON = Rate(1 / 4, burst=4), Rate(1, burst=3)  # 20 a minute in a group; one a second to a person, short bursts
RATES = Rates(
    account=Rate(25, burst=5),  # about 30 a second
    chat=lambda chat_id: GROUP if chat_id.startswith(("-", "@")) else PERSON,
    shared=lambda chat_id: chat_id.partition(":")[0] if ":" in chat_id else "",
)
