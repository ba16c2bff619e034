"""What does an event of Slack's say? Of some ninety kinds, those in which a person says something to the app.

https://docs.slack.dev/apis/events-api/ · https://docs.slack.dev/reference/events/message/
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from channels import slack_content
from channels.channel import Imitation
from channels.payload import integer, items, mapping, seconds, string
from channels.slack_text import escaped, plain, without_mention
from parley.chat.v1 import message_pb2 as chat

DELIVERY = "parley_delivery"  # event_type of the metadata that each message of ours carries

# Whatever else a message may be is about a channel (joined, renamed, pinned …), or nobody's words.
_SPOKEN = frozenset({"", "file_share", "thread_broadcast", "me_message"})
_SHARED = frozenset({"channel", "group"})  # public and private; in a direct message of several everybody talks to us
_SLACKBOT = "USLACKBOT"
_USER = re.compile(r"[UW][A-Z0-9]{1,20}", re.ASCII)
_TS = re.compile(r"([0-9]{1,12})\.([0-9]{6})", re.ASCII)
_OUR_ID = re.compile(r"[0-9A-Za-z-]{1,64}", re.ASCII)

Event = dict[str, Any]
Installation = tuple[str | None, str]  # the address of its account, None when it is not said; and another, if any


def read(body: Event) -> chat.ChannelMessage | None:
    """The message in an event; None when it holds none for us."""
    reader = _READERS.get(string(mapping(body.get("event")).get("type")))
    return reader(mapping(body["event"]), body) if reader else None


def receipt(body: Event) -> chat.Receipt | None:
    """What an event says about a message of our own: that it was posted, and as which delivery's part.

    It finds a send again whose answer was lost. `message_metadata_posted` is documented to bring this; where the
    event of the message itself brings the metadata, that serves as well. Only what our own app posted counts.
    """
    event = mapping(body.get("event"))
    ours, written = mapping(event.get("metadata")), mapping(mapping(event.get("metadata")).get("event_payload"))
    app_id = string(event.get("app_id"))
    if not app_id or app_id != body.get("api_app_id") or ours.get("event_type") != DELIVERY:
        return None
    ts = string(event.get("message_ts")) or string(event.get("ts"))
    delivery_id, part = string(written.get("delivery_id")), integer(written.get("part"))
    if not _TS.fullmatch(ts) or not _OUR_ID.fullmatch(delivery_id) or part is None or not 0 <= part <= 1000:
        return None
    found = chat.Receipt(provider_message_id=ts, delivery_id=delivery_id, part=part, state=chat.DELIVERY_STATE_SENT)
    stamp(found, ts)
    return found


def installation(body: Event) -> Installation:
    """Whose installation of the app this is for.

    In a channel that companies share, `team_id` may be the other company's: `authorizations` names the installation.
    """
    authorization, said_in = _authorization(body), string(body.get("team_id"))
    team, enterprise = string(authorization.get("team_id")), string(authorization.get("enterprise_id"))
    if authorization.get("is_enterprise_install") is True:
        return installed("" if body.get("is_ext_shared_channel") is True and not team else team or said_in, enterprise)
    return team or enterprise or said_in or None, ""


def installed(team: str, enterprise: str) -> Installation:
    """By an organisation, for all of its workspaces: then an account may have the id of either."""
    return enterprise or team or None, team if enterprise else ""


def access_ended_at(body: Event) -> datetime | None:
    """When the workspace took the app's token back, by removing the app or alone; None when it did not. The tokens of
    people who installed it are not what we send with.

    https://docs.slack.dev/reference/events/tokens_revoked/
    """
    event, at = mapping(body.get("event")), seconds(body.get("event_time"))
    bots = items(mapping(event.get("tokens")).get("bot")) if event.get("type") == "tokens_revoked" else []
    if not at or not (bots or event.get("type") == "app_uninstalled"):
        return None
    return datetime.fromtimestamp(at, UTC)


def chat_id(channel: str, thread_ts: str) -> str:
    """A direct message is one conversation; anywhere else each thread is one, and what is said begins a thread."""
    return channel if not channel or not thread_ts or channel.startswith("D") else f"{channel}:{thread_ts}"


def stamp(said: chat.ChannelMessage | chat.Receipt, ts: str) -> None:
    """Slack's ts is an id that is a time: seconds, and a number that orders what was said within one."""
    parts = _TS.fullmatch(ts)
    if parts and seconds(int(parts[1])):
        said.provider_at.seconds, said.provider_at.nanos = int(parts[1]), int(parts[2]) * 1000


def stated(values: dict[str, str]) -> dict[str, str]:
    """Metadata, without what was not said."""
    return {name: value for name, value in values.items() if value}


def _message(event: Event, body: Event) -> chat.ChannelMessage | None:
    subtype = string(event.get("subtype"))
    if subtype == "message_changed":
        return _edited(event, body)
    if subtype == "message_deleted":
        return _deleted(event, body)
    return _said(event, body) if event.get("hidden") is not True else None


def _said(event: Event, body: Event) -> chat.ChannelMessage | None:
    """A mention in a channel comes twice, as app_mention and as message: the same ts, so storage keeps one."""
    if string(event.get("subtype")) not in _SPOKEN or _by_program(event, body):
        return None
    ts, channel = string(event.get("ts")), string(event.get("channel"))
    thread_ts = string(event.get("thread_ts"))
    attachments = slack_content.files(event)
    text = _text(event, body, alone=not attachments)
    if not text and not attachments:
        return None
    message = chat.ChannelMessage(
        channel="slack",
        chat_id=chat_id(channel, thread_ts or ts),
        sender_id=string(event.get("user")),
        sender_name=_name(mapping(event.get("user_profile"))),
        text=text,
        attachments=attachments,
        provider_message_id=ts,
        metadata=_metadata(event, body),
        only_if_known=_is_unaddressed(event, body),
    )
    if thread_ts != ts:
        message.reply_to_provider_message_id = thread_ts
    stamp(message, ts)
    return message


def _edited(event: Event, body: Event) -> chat.ChannelMessage | None:
    """An edit is a message of its own. Slack changes messages too (previews, counts of replies): those say nothing."""
    now, before = mapping(event.get("message")), mapping(event.get("previous_message"))
    if _content(now) == _content(before):
        return None
    where = {"channel": event.get("channel"), "channel_type": event.get("channel_type")}
    return _said_anew(now | where, body) if mapping(now.get("edited")).get("ts") else None


def _said_anew(event: Event, body: Event) -> chat.ChannelMessage | None:
    """A mention of us that an edit brings comes twice as well, as app_mention and as a change: with the same id."""
    message, edited = _said(event, body), string(mapping(event.get("edited")).get("ts"))
    if message is not None and message.provider_message_id and edited:
        message.metadata["edited"] = message.provider_message_id
        message.provider_message_id = f"{message.provider_message_id}:edited:{edited}"
        stamp(message, edited)
    return message


def _content(said: Event) -> tuple[str, str]:
    """What an edit changes: the text, or the words of blocks that stand without one."""
    text = string(said.get("text"))
    return text, "" if text else slack_content.words({"blocks": said.get("blocks")}, "")


def _deleted(event: Event, body: Event) -> chat.ChannelMessage | None:
    """Slack brings along what was said, of which nothing but its place is passed on."""
    before, ts = mapping(event.get("previous_message")), string(event.get("deleted_ts"))
    where = {"channel": event.get("channel"), "channel_type": event.get("channel_type"), "ts": ts}
    message = _said(before | where, body)
    if message is None or not ts:
        return None
    message.text, message.takes_back, message.no_turn = "", ts, True
    del message.attachments[:]
    message.metadata["deleted"] = ts
    message.provider_message_id = f"{ts}:deleted"
    stamp(message, string(event.get("event_ts")))
    return message


def _reacted(event: Event, body: Event) -> chat.ChannelMessage | None:
    """An emoji under a message of a direct message; elsewhere nothing says in which thread that is."""
    under, emoji = mapping(event.get("item")), string(event.get("reaction"))
    channel, ts = string(under.get("channel")), string(under.get("ts"))
    if not channel.startswith("D") or not ts or not emoji or _by_program(event, body):
        return None
    taken = event.get("type") == "reaction_removed"
    message = chat.ChannelMessage(
        channel="slack",
        chat_id=channel,
        sender_id=string(event.get("user")),
        text="" if taken else f":{emoji}:",
        provider_message_id=f"{ts}:{emoji}:{string(event.get('event_ts'))}",
        reply_to_provider_message_id=ts,
        metadata={"kind": string(event.get("type")), **_metadata(event, body)},
        no_turn=True,
    )
    stamp(message, string(event.get("event_ts")))
    return message


def _by_program(event: Event, body: Event) -> bool:
    """Whether a program wrote it, our own echo included. It is ignored, not kept as from_bot: our own words are in the
    conversation already, and a thread in which two apps answer each other has no end."""
    user = string(event.get("user"))
    return bool(event.get("bot_id") or event.get("bot_profile") or user in {_SLACKBOT, _our_user(body) or _SLACKBOT})


def _is_unaddressed(event: Event, body: Event) -> bool:
    """Whether people talk in a channel, and not to us: it goes on where we take part in the thread, and only there.
    A mention comes as app_mention, too."""
    if event.get("type") != "message" or string(event.get("channel_type")) not in _SHARED:
        return False
    text, our_user = string(event.get("text")), _our_user(body)
    return not our_user or not any(f"<@{our_user}{end}" in text for end in ">|")


def _our_user(body: Event) -> str:
    """The user that our app is in that workspace; "" when the event does not say."""
    authorization = _authorization(body)
    return string(authorization.get("user_id")) if authorization.get("is_bot") is True else ""


def _authorization(body: Event) -> Event:
    return mapping(next(iter(items(body.get("authorizations"))), None))


def _text(event: Event, body: Event, *, alone: bool) -> str:
    """What was said, without the mention that only calls us; a mention and nothing else stays: silence is no answer."""
    text, our_user = string(event.get("text")), _our_user(body)
    # Who we are is not always said; an app_mention that begins with a mention means us.
    called = without_mention(text, our_user) if our_user or event.get("type") == "app_mention" else text
    return slack_content.words(event, plain(called if called or not alone else text))


def _name(profile: Event) -> str:
    """Events name people by id only, but for those of another company."""
    return string(profile.get("display_name")) or string(profile.get("real_name"))


def _metadata(event: Event, body: Event) -> dict[str, str]:
    ts, thread_ts = string(event.get("ts")), string(event.get("thread_ts"))
    return stated(
        {
            "channel_type": string(event.get("channel_type")),
            "thread_ts": thread_ts if thread_ts != ts else "",  # in a direct message, where the answer goes
            "team": string(body.get("team_id")),
            "enterprise": string(body.get("enterprise_id")),
            "sender_team": string(event.get("user_team")),
            "shared": "true" if body.get("is_ext_shared_channel") is True else "",
            "event_id": string(body.get("event_id")),
        }
    )


_READERS: dict[str, Callable[[Event, Event], chat.ChannelMessage | None]] = {
    "message": _message,
    "app_mention": _said_anew,
    "reaction_added": _reacted,
    "reaction_removed": _reacted,
}


def imitate(imitation: Imitation) -> dict[str, Any]:
    """Ids that are not Slack's become some; the ts is the time and a number that stands for the message's id."""
    sender = imitation.sender
    if not _USER.fullmatch(sender):
        sender = "U" + sha256(sender.encode()).hexdigest()[:10].upper()
    number = int.from_bytes(sha256(imitation.message_id.encode()).digest()[:8], "big")
    at = int(imitation.now.timestamp())
    ts = f"{at}.{number % 1_000_000:06d}"
    return {
        "type": "event_callback",
        "team_id": imitation.address,
        "api_app_id": "A0IMITATED",
        "event_id": f"Ev{number % 36**6:010d}",
        "event_time": at,
        "event": {
            "type": "message",
            "channel": f"D{sender[1:]}",
            "channel_type": "im",
            "user": sender,
            "text": escaped(imitation.text),
            "ts": ts,
            "event_ts": ts,
        },
    }
