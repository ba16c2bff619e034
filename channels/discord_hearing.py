"""What of all that a bot hears on Discord is said to it? Direct messages, mentions, and threads in which it takes part.

A message does not always say in what kind of channel it stands: servers tell theirs at the beginning, and of a channel
that was never told Discord is asked, once.
"""

from collections.abc import Callable, Mapping
from typing import Any

from channels import discord_errors
from channels.channel import Call, DeliveryError
from channels.discord_changes import CREATED, DELETED, PURGED, REACTED, UNREACTED, UPDATED, WRITERS, edited_at, of
from channels.discord_ids import is_id
from channels.discord_messages import ASIDE, ME, is_program, mentions
from channels.listening import Steps
from channels.payload import integer, items, mapping, string, written

THREADS = frozenset({10, 11, 12})  # of announcements, public, private
MOST_KNOWN = 200_000  # channels; a hundred large servers have fewer
MOST_REMEMBERED = 10_000  # messages


class Hearing:
    """One bot's ear. Of the account's options, `direct_messages` and `threads` = "false" leave those out, `channels`
    (ids with commas between) names where everything is said to it, and `unaddressed` = "all" means everywhere.
    """

    def __init__(self, options: Mapping[str, str], me: str) -> None:
        self._me = me
        self._direct = options.get("direct_messages") != "false"
        self._threads = options.get("threads") != "false"
        self._all = options.get("unaddressed") == "all"
        self._channels = frozenset(filter(is_id, map(str.strip, options.get("channels", "").split(","))))
        self._roles: set[str] = set()
        self._is_thread: dict[str, bool] = {}
        self._writers: dict[str, str] = {}  # by message that was taken in, the oldest first

    def begin(self, me: str) -> None:
        """A new session tells everything anew."""
        self._me = me
        self._roles.clear()
        self._is_thread.clear()

    def heard(self, dispatch: dict[str, Any], call: Callable[[str, str], Call]) -> Steps:
        """The body to take in, or None."""
        name, content = dispatch.get("t"), mapping(dispatch.get("d"))
        if name == "INTERACTION_CREATE":
            return written(content)
        if name == CREATED or (name == UPDATED and edited_at(content)):
            return (yield from self._message(dispatch, content, call=call))
        if name in (DELETED, PURGED):
            return self._taken_back(dispatch, content)
        if name in (REACTED, UNREACTED):
            return self._reacted(dispatch, content)
        self._learn(str(name), content)
        return None

    def _message(self, dispatch: dict[str, Any], said: dict[str, Any], *, call: Callable[[str, str], Call]) -> Steps:
        if is_program(said) or (self._me and string(mapping(said.get("author")).get("id")) == self._me):
            return None
        aside, number = False, string(said.get("id"))
        if not said.get("guild_id"):
            wanted = self._direct
        elif mentions(said, self._me, roles=self._roles) or string(said.get("channel_id")) in self._channels:
            wanted = True
        else:
            aside = True
            known = number in self._writers  # it was said to us, and is now said otherwise
            wanted = known or self._all or (self._threads and (yield from self._in_thread(said, call)))
        if not wanted:
            return None
        self._remember(number, string(mapping(said.get("author")).get("id")))
        return self._body(dispatch, aside=aside)

    def _taken_back(self, dispatch: dict[str, Any], gone: dict[str, Any]) -> bytes | None:
        """Of what was taken in here: Discord does not say who wrote it, and our own drafts and replies go, too."""
        writers = {number: self._writers[number] for number in of(gone) if number in self._writers}
        return self._body(dispatch, aside=True, **{WRITERS: writers}) if writers else None

    def _reacted(self, dispatch: dict[str, Any], said: dict[str, Any]) -> bytes | None:
        """To us: in a direct message, or under what we wrote, which is said only of an emoji that is put there."""
        ours = string(said.get("message_author_id")) == self._me
        wanted = ours if said.get("guild_id") else self._direct
        by_program = mapping(mapping(said.get("member")).get("user")).get("bot") is True
        if not wanted or by_program or not self._me or string(said.get("user_id")) == self._me:
            return None
        return self._body(dispatch, aside=True)

    def _body(self, dispatch: dict[str, Any], *, aside: bool, **more: Any) -> bytes:
        return written({**dispatch, ME: self._me, ASIDE: aside, **more})

    def _remember(self, number: str, writer: str) -> None:
        if is_id(number) and is_id(writer):
            self._writers[number] = writer
        while len(self._writers) > MOST_REMEMBERED:
            del self._writers[next(iter(self._writers))]

    def _in_thread(self, said: dict[str, Any], call: Callable[[str, str], Call]) -> Steps:
        stated, channel = integer(said.get("channel_type")), string(said.get("channel_id"))
        if stated is not None:
            return stated in THREADS
        if channel not in self._is_thread and is_id(channel):
            try:
                answer = yield call("GET", f"/channels/{channel}")
            except DeliveryError:
                return False
            kind = integer(discord_errors.content(answer).get("type"))
            if kind is not None:
                self._know({"id": channel, "type": kind})
        return self._is_thread.get(channel, False)

    def _learn(self, name: str, content: dict[str, Any]) -> None:
        if name == "GUILD_CREATE":
            for role in map(mapping, items(content.get("roles"))):
                if self._me and string(mapping(role.get("tags")).get("bot_id")) == self._me:
                    self._roles.add(string(role.get("id")))
        told = [content] if name in ("CHANNEL_CREATE", "THREAD_CREATE") else []
        for each in [*told, *items(content.get("channels")), *items(content.get("threads"))]:
            self._know(mapping(each))

    def _know(self, channel: Mapping[str, Any]) -> None:
        kind, number = integer(channel.get("type")), string(channel.get("id"))
        if kind is None or not is_id(number):
            return
        if len(self._is_thread) >= MOST_KNOWN:
            self._is_thread.clear()
        self._is_thread[number] = kind in THREADS
