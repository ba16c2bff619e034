"""What do Slack's forms say? Slash commands, and pressed buttons in a field of JSON.

https://docs.slack.dev/interactivity/implementing-slash-commands/
https://docs.slack.dev/reference/interaction-payloads/block_actions-payload/
"""

from collections.abc import Callable
from typing import Any

from channels import slack_blocks, slack_content
from channels.payload import Form, items, mapping, string
from channels.slack_events import Installation, chat_id, installed, stamp, stated
from channels.slack_text import plain
from parley.chat.v1 import message_pb2 as chat

# Where the elements of a message keep what was chosen: one thing, or several.
_CHOSEN = (
    *("value", "selected_date", "selected_time"),
    *("selected_user", "selected_channel", "selected_conversation"),
)
_ALL_CHOSEN = ("selected_users", "selected_channels", "selected_conversations")
LONGEST_KIND = 40


def command(form: Form) -> chat.ChannelMessage:
    """A command reads as it was typed. It is said in no thread: in a channel all commands are one conversation."""
    return chat.ChannelMessage(
        channel="slack",
        chat_id=form.first("channel_id"),
        sender_id=form.first("user_id"),
        sender_name=form.first("user_name"),
        text=f"{form.first('command')} {plain(form.first('text'))}".rstrip(),
        # A command has no ts; the id with which a dialog may be opened is made for each.
        provider_message_id=_id("command", form.first("trigger_id")),
        metadata=stated(
            {
                "kind": "slash_command",
                "team": form.first("team_id"),
                "enterprise": form.first("enterprise_id"),
            }
        ),
    )


def commanded_in(form: Form) -> Installation:
    """Whose installation of the app a command is for."""
    team = form.first("team_id")
    if form.first("is_enterprise_install") == "true":
        return installed(team, form.first("enterprise_id"))
    return team or None, ""


def pressed_in(payload: dict[str, Any]) -> Installation:
    """The same of a payload; in one of a whole organisation `team` may be null."""
    team = string(mapping(payload.get("team")).get("id"))
    if payload.get("is_enterprise_install") is True:
        return installed(team, string(mapping(payload.get("enterprise")).get("id")))
    return team or None, ""


def acted(payload: dict[str, Any]) -> chat.ChannelMessage | None:
    """What a person did with a message: a button under it stands for what they say, a shortcut for its name and what
    stands in the message. None for dialogs, links, and what is done outside of a chat."""
    said = _SAID.get(string(payload.get("type")))
    text = said(payload) if said else ""
    channel = _channel(payload)
    message = _acted(payload, channel=channel, text=text) if channel and text else None
    if message and payload.get("type") == "message_action":
        message.attachments.extend(slack_content.files(mapping(payload.get("message"))))
    return message


def unread(payload: dict[str, Any]) -> str:
    """The kind of what nobody here reads, such as a dialog; "" of what is read, and of a link that is only followed."""
    kind = string(payload.get("type"))
    return "" if kind in _SAID and _channel(payload) else kind[:LONGEST_KIND] or "no type"


def _channel(payload: dict[str, Any]) -> str:
    """Where it was done; under a message that only one person sees the container may be all that says so."""
    return string(mapping(payload.get("channel")).get("id")) or string(
        mapping(payload.get("container")).get("channel_id")
    )


def _acted(payload: dict[str, Any], *, channel: str, text: str) -> chat.ChannelMessage:
    container = mapping(payload.get("container"))
    under = mapping(payload.get("message")) or mapping(payload.get("original_message"))
    ts = string(container.get("message_ts")) or string(under.get("ts")) or string(payload.get("message_ts"))
    thread_ts = string(under.get("thread_ts")) or string(container.get("thread_ts"))
    action, user = mapping(next(iter(items(payload.get("actions"))), None)), mapping(payload.get("user"))
    action_ts = string(action.get("action_ts")) or string(payload.get("action_ts"))
    message = chat.ChannelMessage(
        channel="slack",
        chat_id=chat_id(channel, thread_ts or ts),
        sender_id=string(user.get("id")),
        sender_name=string(user.get("name")) or string(user.get("username")),
        text=text,
        provider_message_id=_id("action", string(payload.get("trigger_id")) or action_ts),
        reply_to_provider_message_id=ts,
        metadata=stated(
            {
                "kind": string(payload.get("type")),
                "action": string(action.get("action_id")) or string(payload.get("callback_id")),
                "thread_ts": thread_ts if thread_ts != ts else "",
                "team": string(mapping(payload.get("team")).get("id")),
                "enterprise": string(mapping(payload.get("enterprise")).get("id")),
                "sender_team": string(user.get("team_id")),
            }
        ),
    )
    stamp(message, action_ts)
    return message


def _pressed(payload: dict[str, Any]) -> str:
    return ", ".join(filter(None, (_chosen(mapping(action)) for action in items(payload.get("actions")))))


def _about_a_message(payload: dict[str, Any]) -> str:
    """A shortcut from a message's menu: what it is called, and what stands in that message."""
    name, under = string(payload.get("callback_id")), mapping(payload.get("message"))
    text = slack_content.words(under, plain(string(under.get("text"))))
    return f"{name}: {text}" if name and text else name


def _chosen(action: dict[str, Any]) -> str:
    values = [string(action.get(name)) for name in _CHOSEN]
    values += [
        slack_blocks.moment(action.get("selected_date_time")),
        slack_blocks.words([action.get("rich_text_value")]),
    ]
    values += [string(each) for name in _ALL_CHOSEN for each in items(action.get(name))]
    options = [action.get("selected_option"), *items(action.get("selected_options"))]
    values += [string(mapping(option).get("value")) for option in options]
    chosen = ", ".join(value for value in values if value)
    if chosen or action.get("url"):
        return chosen  # a link opens a page: who follows it says nothing
    return string(mapping(action.get("text")).get("text"))


def _id(kind: str, stated_id: str) -> str:
    return f"{kind}:{stated_id}" if stated_id else ""


_SAID: dict[str, Callable[[dict[str, Any]], str]] = {
    "block_actions": _pressed,
    "interactive_message": _pressed,  # as messages were before they had blocks
    "message_action": _about_a_message,
}
