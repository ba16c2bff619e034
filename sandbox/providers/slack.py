"""What does Slack's Web API say when it is asked to post? And its events tell an app of its own posts.

https://docs.slack.dev/reference/methods/chat.postMessage/
"""

import hmac
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import orjson

from channels import slack_signature
from channels.channel import Unreadable, Webhook
from channels.payload import mapping, parse_form, parse_json, string
from sandbox import formatting
from sandbox.files import Attached, File
from sandbox.provider import Account, Ask, Draw, Handset, Person, Reply, Sign, Skin, Taken, Words, imitated
from sandbox.providers import slack_media

LONGEST_TEXT = 40_000  # what is longer is cut
APP_ID, BOT_ID, TEAM_ID = "A0IMITATED", "B0SANDBOX", "T0SANDBOX"

_TS = re.compile(r"[0-9]{1,12}\.[0-9]{6}")


def made_up(draw: Draw) -> Mapping[str, str]:
    """An app in a workspace that nobody has."""
    return {"SLACK_BOT_TOKEN": f"xoxb-{draw(12)}-{draw(24)}", "SLACK_SIGNING_SECRET": draw(32)}


class Slack:
    """One app, in direct messages with people who wrote to it."""

    name = "slack"
    handsets = (
        Handset(
            channel="slack",
            title="Slack",
            skin=Skin(bar="#4a154b", mine="#f0e2f1", mine_dark="#5a2d5c", wall="#ffffff", wall_dark="#1a1d21"),
            receipts=("sent",),
        ),
    )

    def __init__(self, account: Account) -> None:
        self._account = account
        self._token = account.values["SLACK_BOT_TOKEN"]
        self._people: dict[str, str] = {}  # direct message -> person
        self._metadata: dict[str, Any] = {}  # by ts
        self._posts = 0
        self._standing: dict[str, dict[str, Any]] = {}  # by ts: what was posted and not deleted
        self._media = slack_media.Media(account, TEAM_ID)
        self._methods: dict[str, Callable[[Mapping[str, Any]], Reply | Taken]] = {
            "/chat.postMessage": self._post,
            "/chat.update": self._update,
            "/chat.delete": self._delete,
            "/conversations.history": self._history,
            "/conversations.replies": self._history,
            "/assistant.threads.setStatus": self._set_status,
            "/files.completeUploadExternal": self._share,
        }

    def person(self, number: int) -> Person:
        """A member of the workspace."""
        return Person(f"U0SANDBOX{number + 1:02d}")

    def label(self, ask: Ask) -> str:
        """The method, which holds no secret."""
        if ask.path.startswith(("/upload/", "/files-pri/")):
            return f"{ask.method} a file"
        return ask.path.removeprefix("/")[:40]

    def answer(self, ask: Ask) -> Reply | Taken:
        """A refusal is 200 and says why in one word."""
        stated = ask.headers.get("authorization", "").encode("latin-1", "replace")
        is_ours = hmac.compare_digest(stated, f"Bearer {self._token}".encode())
        if of_file := self._media.read(ask, is_ours=is_ours) or self._media.put(ask):
            return of_file
        if not stated:
            return refused("not_authed")
        if not is_ours:
            return refused("invalid_auth")
        if ask.path == "/auth.test":
            return Reply(
                200, {"ok": True, "team": "Sandbox", "team_id": TEAM_ID, "user_id": "U0PARLEY", "bot_id": BOT_ID}
            )
        method = self._methods.get(ask.path)
        tells = {"/files.getUploadURLExternal": self._media.place, "/files.info": self._media.info}.get(ask.path)
        try:
            if tells:
                return _told(tells(ask, _asked(ask)))
            return method(_asked(ask)) if method else refused("unknown_method")
        except Unreadable:
            return refused("invalid_json")

    def refuse(self, fault: str, seconds: int) -> Reply:
        """429 with a header; broken in the way in which nothing was posted."""
        if fault == "throttled":
            return refused("ratelimited", 429, headers={"retry-after": str(seconds)})
        return refused("service_unavailable", 503)

    def say(self, channel: str, words: Words) -> Webhook:
        """A direct message to the app."""
        self._people[f"D{words.person.id[1:]}"] = words.person.id
        webhook = imitated(channel, words, account=self._account, message_id=self._account.draw(16))
        return self._with(words.file, webhook, base_url=words.base_url) if words.file else webhook

    def receipt(self, taken: Taken, state: str, *, url: str) -> Webhook | None:
        """`message_metadata_posted`, for an app that subscribes to it; None where the post had no metadata."""
        del state
        metadata = self._metadata[taken.id]
        if not metadata:
            return None
        at = int(self._account.now().timestamp())
        event = {
            "type": "message_metadata_posted",
            "app_id": APP_ID,
            "bot_id": BOT_ID,
            "channel_id": f"D{taken.to[1:]}",
            "metadata": metadata,
            "message_ts": taken.id,
            "event_ts": taken.id,
        }
        told = {
            "type": "event_callback",
            "api_app_id": APP_ID,
            "event_id": f"Ev{self._account.draw(8)}",
            "event": event,
        }
        return self._signed(url, told | {"event_time": at})

    def _signed(self, url: str, told: Mapping[str, Any]) -> Webhook:
        body, now = orjson.dumps(told), self._account.now()
        proof = slack_signature.sign(body, secret=self._account.values["SLACK_SIGNING_SECRET"], at=int(now.timestamp()))
        return Webhook("POST", url, {"content-type": "application/json", **proof}, body, now)

    def _with(self, file: File, webhook: Webhook, *, base_url: str) -> Webhook:
        """The event of a person who shares a file."""
        told = parse_json(webhook.body)
        told["event"] |= {"subtype": "file_share", "files": [self._media.said(file, base_url=base_url)]}
        return self._signed(webhook.url, told)

    def _share(self, asked: Mapping[str, Any]) -> Reply | Taken:
        """Slack posts the message by itself, with the words above the file."""
        files, person = self._media.shared(asked), self._people.get(string(asked.get("channel_id")))
        if isinstance(files, str) or not person:
            return refused(files if isinstance(files, str) else "channel_not_found")
        text, ts = string(asked.get("initial_comment"))[:LONGEST_TEXT], self._next()
        self._metadata[ts] = {}
        reply = Reply(200, {"ok": True, "files": [{"id": each, "title": title} for each, title in files.items()]})
        runs, attached = formatting.slack(text), Attached(self._media.get(next(iter(files))))
        return Taken("slack", person, ts, formatting.plain(runs), reply, runs=runs, attached=attached)

    def _next(self) -> str:
        self._posts += 1
        return f"{int(self._account.now().timestamp())}.{self._posts % 1_000_000:06d}"

    def _update(self, asked: Mapping[str, Any]) -> Reply | Taken:
        """In the place where it stands."""
        ts, person = string(asked.get("ts")), self._people.get(string(asked.get("channel")))
        text = string(asked.get("text"))[:LONGEST_TEXT]
        if not person or ts not in self._standing:
            return refused("message_not_found" if person else "channel_not_found")
        if not text:
            return refused("no_text")
        changed = {"text": text, "metadata": mapping(asked.get("metadata"))}
        reply = Reply(200, {"ok": True, "channel": asked["channel"], "ts": ts, "text": text})
        runs, keep = formatting.slack(text), partial(self._change, ts, changed)
        return Taken("slack", person, ts, formatting.plain(runs), reply, runs=runs, edits=True, keep=keep)

    def _change(self, ts: str, changed: Mapping[str, Any]) -> None:
        self._standing[ts].update(changed)
        self._metadata[ts] = changed["metadata"]

    def _delete(self, asked: Mapping[str, Any]) -> Reply | Taken:
        ts, person = string(asked.get("ts")), self._people.get(string(asked.get("channel")))
        if not person or ts not in self._standing:
            return refused("message_not_found" if person else "channel_not_found")
        reply = Reply(200, {"ok": True, "channel": asked["channel"], "ts": ts})
        return Taken("slack", person, ts, "", reply, deletes=True, keep=partial(self._standing.pop, ts, None))

    def _history(self, asked: Mapping[str, Any]) -> Reply:
        """The newest first; of a thread what stands in it."""
        if string(asked.get("channel")) not in self._people:
            return refused("channel_not_found")
        here = [(ts, each) for ts, each in self._standing.items() if each["channel"] == asked["channel"]]
        thread = string(asked.get("ts"))
        found = [{"type": "message", "ts": ts, **each} for ts, each in here if each["thread_ts"] == thread]
        return Reply(200, {"ok": True, "messages": found[::-1][:15]})

    def _set_status(self, asked: Mapping[str, Any]) -> Reply | Taken:
        """Under a thread with the assistant; an empty one takes it away."""
        person = self._people.get(string(asked.get("channel_id")))
        if not person or not _TS.fullmatch(string(asked.get("thread_ts"))):
            return refused("channel_not_found" if not person else "invalid_thread_ts")
        sign = Sign("slack", person, writes_seconds=120 if string(asked.get("status")) else 0)
        return Reply(200, {"ok": True}, sign=sign)

    def _post(self, asked: Mapping[str, Any]) -> Reply | Taken:
        person, text = self._people.get(string(asked.get("channel"))), string(asked.get("text"))[:LONGEST_TEXT]
        metadata = mapping(asked.get("metadata"))
        if not person:
            return refused("channel_not_found")
        if not text:
            return refused("no_text")
        if "thread_ts" in asked and not _TS.fullmatch(string(asked["thread_ts"])):
            return refused("invalid_arguments")
        if metadata and set(metadata) != {"event_type", "event_payload"}:
            return refused("invalid_metadata_format")
        ts = self._next()
        self._metadata[ts] = metadata
        thread = string(asked.get("thread_ts"))
        self._standing[ts] = {"channel": asked["channel"], "text": text, "metadata": metadata, "thread_ts": thread}
        message = {"type": "message", "bot_id": BOT_ID, "text": text, "ts": ts}
        content = {"ok": True, "channel": asked["channel"], "ts": ts, "message": message}
        runs = formatting.slack(text)
        return Taken("slack", person, ts, formatting.plain(runs), Reply(200, content), runs=runs)


def refused(word: str, status: int = 200, *, headers: Mapping[str, str] | None = None) -> Reply:
    """Slack's own shape of an error."""
    return Reply(status, {"ok": False, "error": word}, headers or {})


def _told(found: dict[str, Any] | str) -> Reply:
    """What a method says, or the word of what is wrong."""
    return refused(found) if isinstance(found, str) else Reply(200, found)


def _asked(ask: Ask) -> dict[str, Any]:
    """JSON, or a form in which objects are JSON, or the query of what only reads."""
    asked = {name: values[0] for name, values in parse_form(ask.query.encode()).items()}
    if ask.method == "GET":
        return asked
    if ask.headers.get("content-type", "").startswith("application/json"):
        return asked | parse_json(ask.body)
    form = asked | {name: values[0] for name, values in parse_form(ask.body).items()}
    return {name: parse_json(value.encode()) if name == "metadata" else value for name, value in form.items()}
