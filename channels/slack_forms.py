"""What do Slack's forms say? Slash commands, and pressed buttons in a field of JSON.

https://docs.slack.dev/interactivity/implementing-slash-commands/
https://docs.slack.dev/reference/interaction-payloads/block_actions-payload/
"""

from typing import Any

from channels.payload import Form, items, mapping, string
from channels.slack_events import chat_id, stamp, stated
from channels.slack_text import plain
from parley.chat.v1 import message_pb2 as chat

# Where the elements of a message keep what was chosen.
_CHOSEN = (
    *("value", "selected_date", "selected_time"),
    *("selected_user", "selected_channel", "selected_conversation"),
)


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


def pressed(payload: dict[str, Any]) -> chat.ChannelMessage | None:
    """A button under a message: what it stands for is what the person says. None for dialogs, shortcuts and links."""
    channel = string(mapping(payload.get("channel")).get("id"))
    action = mapping(next(iter(items(payload.get("actions"))), None))
    text = _chosen(action)
    if payload.get("type") != "block_actions" or not channel or not text:
        return None
    container, under = mapping(payload.get("container")), mapping(payload.get("message"))
    ts = string(container.get("message_ts")) or string(under.get("ts"))
    thread_ts = string(under.get("thread_ts")) or string(container.get("thread_ts"))
    user, action_ts = mapping(payload.get("user")), string(action.get("action_ts"))
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
                "kind": "block_actions",
                "action": string(action.get("action_id")),
                "thread_ts": thread_ts if thread_ts != ts else "",
                "team": string(mapping(payload.get("team")).get("id")),
                "enterprise": string(mapping(payload.get("enterprise")).get("id")),
                "sender_team": string(user.get("team_id")),
            }
        ),
    )
    stamp(message, action_ts)
    return message


def _chosen(action: dict[str, Any]) -> str:
    values = [string(action.get(name)) for name in _CHOSEN]
    options = [action.get("selected_option"), *items(action.get("selected_options"))]
    values += [string(mapping(option).get("value")) for option in options]
    chosen = ", ".join(value for value in values if value)
    if chosen or action.get("url"):
        return chosen  # a link opens a page: who follows it says nothing
    return string(mapping(action.get("text")).get("text"))


def _id(kind: str, stated_id: str) -> str:
    return f"{kind}:{stated_id}" if stated_id else ""
