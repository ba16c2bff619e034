"""What may be set on an account that is no secret? Every option by name, and on which channels it means anything."""

from dataclasses import dataclass

TWILIO = ("whatsapp", "sms")
LISTENED = ("telegram", "discord")
META = ("whatsapp_cloud", "instagram")


@dataclass(frozen=True, slots=True)
class OptionField:
    """One option. `channels` is empty where all have it."""

    name: str
    takes: str  # what a value looks like
    description: str
    channels: tuple[str, ...] = ()


OPTIONS = (
    OptionField(
        "outside_window",
        "human, template, other_account or drop",
        "What becomes of a text whose reply window is closed: a human's task (the default), the template, a text from "
        "another account that they have written to, or nothing",
        (*TWILIO[:1], *META),
    ),
    OptionField(
        "template",
        "the provider's id or name",
        "The approved template that goes out in its place",
        (*TWILIO[:1], META[0]),
    ),
    OptionField(
        "other_account",
        "an account's id",
        "The account that says it instead, for example that of an SMS number; people are known by their phone number",
        (*TWILIO[:1], META[0]),
    ),
    OptionField(
        "template_variable",
        "a name or number",
        "The variable of the template that gets the text",
        (*TWILIO[:1], META[0]),
    ),
    OptionField("template_language", "for example de", "The template's language at Meta. Default: en_US", META[:1]),
    OptionField("human_agent", "true or false", "Meta granted Human Agent: humans may answer for seven days", META[1:]),
    OptionField("graph_version", "for example v23.0", "The version of the Graph API that is spoken to", META),
    OptionField("messaging_service_sid", "MG…", "Twilio's messaging service to send by, not the number", TWILIO),
    OptionField("validity_seconds", "1 to 36000", "How long Twilio may try; what is older is dropped there", TWILIO),
    OptionField("max_segments", "1 to 24", "Segments that one part of a reply is of at most. Default: 10", TWILIO[1:]),
    OptionField(
        "smart_encoding",
        "true or false",
        "Whether print's quotes, dashes and spaces become GSM-7's where that makes a text cost less. Default: true",
        TWILIO[1:],
    ),
    OptionField("undelivered", "nothing or human", "Who is asked when a reply fails for good. Default: nobody"),
    OptionField("allowed_origins", "https://…, with commas between", "Sites that may show the chat", ("webchat",)),
    OptionField(
        "sends_per_second", "a number from 0 on", "How fast it may send at most, where the provider allows more"
    ),
    OptionField("sends_burst", "a number from 0 on", "How many it may send at once before that counts"),
    OptionField("chat_sends_per_second", "a number from 0 on", "The same to one chat"),
    OptionField("chat_sends_burst", "a number from 0 on", "The same to one chat, at once"),
    OptionField("max_queued", "10 or more", "Deliveries not sent yet at which nothing more is taken for it"),
    OptionField("unaddressed", "known or all", "What counts of what others say where the agent is not addressed"),
    OptionField(
        "counted_by",
        "a bot's number",
        "The bot that counts the messages now, where another did at first; the start sets it when the environment's "
        "token is another bot's",
        LISTENED[:1],
    ),
    OptionField(
        "bot_name",
        "@ and a name",
        "The bot's name, where the account's address is another: in groups it tells what is said to it. Stored by "
        "parley channels add",
        LISTENED[:1],
    ),
    OptionField("listen", "true or false", "Listen at the provider; better set by --listen", LISTENED),
    OptionField(
        "direct_messages", "true or false", "Whether direct messages are answered. Default: true", LISTENED[1:]
    ),
    OptionField("threads", "true or false", "Whether threads are answered. Default: true", LISTENED[1:]),
    OptionField("channels", "ids, with commas between", "Channels in which every message is answered", LISTENED[1:]),
    OptionField(
        "signals", "on, typing or off", "What is shown while a turn runs: read marks and typing (the default: on)"
    ),
    OptionField(
        "progressive",
        "on or off",
        "Whether a reply is shown while it is written (the default: off)",
        ("webchat", "telegram", "slack", "discord"),
    ),
    OptionField(
        "progressive_in_groups",
        "on or off",
        "With progressive=on: in groups, too, where half a reply may stay behind when a process dies. Default: off",
        LISTENED[:1],
    ),
    OptionField(
        "silent_after_hours",
        "1 to 8760",
        "After how long without a word from anybody it deserves a look. Default: never",
    ),
)


def of(channel: str) -> tuple[OptionField, ...]:
    """Those that mean something on it."""
    return tuple(each for each in OPTIONS if not each.channels or channel in each.channels)
