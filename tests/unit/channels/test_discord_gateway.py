"""Is a Discord bot kept connected as Discord documents it, and what of all that it hears is said to it?"""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from channels.channel import Answer, Call, Credentials, Unauthorized, Unavailable
from channels.discord_gateway import DiscordGateway
from channels.listening import (
    Closed,
    Connect,
    HangUp,
    Hear,
    Heard,
    Listened,
    Note,
    Pause,
    Say,
    Step,
    Steps,
    Take,
    Taken,
)
from tests.simulated.discord_gateway import ME, me, message
from tests.suites.channels.described import complaints

DOOR, RESUME_AT = "wss://gateway.discord.example", "wss://resume.discord.example"
BEAT = 40.0
IDENTIFY, RESUME, BEATS = 2, 6, 1
GUILD = "500"


class Ear:
    """Who does the steps, with a clock that stands still; it stops at what a test answers itself."""

    def __init__(self, cursor: str = "", options: Mapping[str, str] | None = None) -> None:
        self.now = 0.0
        listened = Listened(
            "discord",
            Credentials({"bot_token": "canary.token"}),
            options=options or {},
            cursor=cursor,
            clock=lambda: self.now,
            draw=lambda: 0.5,
        )
        self.steps: Steps = DiscordGateway().listen(listened)
        self.notes: list[Note] = []
        self.said: list[dict[str, Any]] = []
        self.at: Step = self._on(next(self.steps))

    def _on(self, step: Step) -> Step:
        while isinstance(step, Note | Say):
            if isinstance(step, Note):
                self.notes.append(step)
            else:
                self.said.append(json.loads(step.text))
            step = self.steps.send(None)
        if isinstance(step, Call):
            body = json.loads(step.body) if step.body else None
            found = complaints("discord", method=step.method, url=step.url, headers=step.headers, body=body)
            assert found == []
        return step

    def send(self, result: Any = None) -> Step:
        self.at = self._on(self.steps.send(result))
        return self.at

    def fails(self, failure: Exception) -> Step:
        self.at = self._on(self.steps.throw(failure))
        return self.at

    def hears(self, operation: int, content: Any = None, **more: Any) -> Step:
        assert isinstance(self.at, Hear), self.at
        return self.send(Heard(json.dumps({"op": operation, "d": content, "s": None, "t": None, **more})))

    def told(self, name: str, content: Any, seq: int) -> Step:
        return self.hears(0, content, t=name, s=seq)

    def finds(self, content: Any, status: int = 200) -> Step:
        assert isinstance(self.at, Call), self.at
        return self.send(Answer(status, {}, json.dumps(content).encode()))

    def connects(self) -> None:
        """Discord says where, and hello."""
        if isinstance(self.at, Call):
            self.finds({"url": DOOR, "session_start_limit": {"remaining": 9, "reset_after": 60_000}})
        if isinstance(self.at, Pause):  # the last session was begun a moment ago
            self.send()
        assert isinstance(self.at, Connect), self.at
        self.send()
        self.hears(10, {"heartbeat_interval": int(BEAT * 1000)})

    def listens(self, seq: int = 1) -> None:
        self.connects()
        ready = {"user": {"id": ME}, "session_id": "s1", "resume_gateway_url": RESUME_AT}
        self.told("READY", ready, seq)

    def offered(self, said: dict[str, Any], seq: int = 2) -> dict[str, Any] | None:
        """What is taken in of a message; None when nothing is."""
        step = self.told("MESSAGE_CREATE", said, seq)
        if not isinstance(step, Take):
            return None
        self.send(Taken(b""))
        taken: dict[str, Any] = json.loads(step.body)
        return taken

    def begins_anew(self) -> None:
        """After whatever ended the connection: until the next one is opened, or asked for."""
        while isinstance(self.at, Pause | HangUp):
            self.send()


@pytest.fixture
def ear() -> Ear:
    made = Ear()
    made.listens()
    return made


def test_it_asks_where_to_connect_says_who_it_is_and_what_it_wants_to_hear() -> None:
    ear = Ear()
    assert isinstance(ear.at, Call)
    assert ear.at.url == "https://discord.com/api/v10/gateway/bot"
    ear.connects()
    (identity,) = ear.said
    assert identity["op"] == IDENTIFY
    assert identity["d"]["token"] == "canary.token"
    assert identity["d"]["intents"] == 1 | 1 << 9 | 1 << 10 | 1 << 12 | 1 << 13 | 1 << 15
    ear.told("READY", {"user": {"id": ME}, "session_id": "s1", "resume_gateway_url": RESUME_AT}, 1)
    assert ear.notes[-1].state == "listening"


def test_the_first_sign_of_life_comes_at_random_and_each_carries_the_last_number(ear: Ear) -> None:
    assert ear.at == Hear(BEAT / 2)
    ear.now = BEAT / 2
    ear.send(None)
    assert ear.said[-1] == {"op": BEATS, "d": 1}
    ear.hears(11)
    assert ear.at == Hear(BEAT)
    ear.now += BEAT
    ear.send(None)
    assert [each["op"] for each in ear.said] == [IDENTIFY, BEATS, BEATS]


def test_a_sign_of_life_that_is_asked_for_is_given_at_once(ear: Ear) -> None:
    ear.hears(1)
    assert ear.said[-1] == {"op": BEATS, "d": 1}


def test_a_connection_that_answers_no_sign_of_life_is_left_so_that_the_session_stays_and_is_resumed(ear: Ear) -> None:
    ear.now = BEAT / 2
    ear.send(None)
    ear.now += BEAT
    assert ear.send(None) == HangUp(4000)
    ear.begins_anew()
    assert ear.at == Connect(f"{RESUME_AT}/?v=10&encoding=json")
    ear.connects()
    assert ear.said[-1] == {"op": RESUME, "d": {"token": "canary.token", "session_id": "s1", "seq": 1}}


@pytest.mark.parametrize("code", [1000, 1001, 1006, 4000, 4008])
def test_whatever_breaks_is_resumed(ear: Ear, code: int) -> None:
    ear.send(Closed(code))
    ear.begins_anew()
    ear.connects()
    assert ear.said[-1]["op"] == RESUME


@pytest.mark.parametrize("code", [4007, 4009])
def test_a_session_that_is_over_is_begun_anew(ear: Ear, code: int) -> None:
    ear.send(Closed(code))
    ear.begins_anew()
    ear.connects()
    assert ear.said[-1]["op"] == IDENTIFY
    assert ear.notes[-1].cursor == "-"


@pytest.mark.parametrize("code", [4004, 4010, 4011, 4012, 4013])
def test_what_only_a_person_can_mend_is_said_and_holds_no_secret(ear: Ear, code: int) -> None:
    with pytest.raises(Unauthorized) as refused:
        ear.send(Closed(code))
    assert refused.value.provider_code == str(code)
    assert "canary" not in str(refused.value)


def test_without_the_privileged_intent_it_goes_on_with_what_needs_none(ear: Ear) -> None:
    ear.send(Closed(4014))
    ear.begins_anew()
    ear.listens()
    assert ear.said[-1]["d"]["intents"] == 1 | 1 << 9 | 1 << 10 | 1 << 12 | 1 << 13
    assert ear.notes[-1].state == "listening"
    assert "Message Content Intent is off" in ear.notes[-1].reason
    with pytest.raises(Unauthorized):
        ear.send(Closed(4014))


def test_discord_may_ask_to_connect_anew_and_nothing_is_troubled(ear: Ear) -> None:
    ear.hears(7)
    ear.begins_anew()
    assert ear.notes[-1].state == "connecting"
    ear.connects()
    assert ear.said[-1]["op"] == RESUME


@pytest.mark.parametrize(("resumable", "then"), [(True, RESUME), (False, IDENTIFY)])
def test_an_invalid_session_is_resumed_or_begun_anew_as_discord_says(ear: Ear, resumable: bool, then: int) -> None:
    pause = ear.hears(9, resumable)
    assert isinstance(pause, Pause)
    assert 1 <= pause.seconds <= 5
    ear.begins_anew()
    ear.connects()
    assert ear.said[-1]["op"] == then


def test_two_sessions_are_not_begun_within_five_seconds(ear: Ear) -> None:
    ear.now = 2.0
    ear.hears(9, False)
    while not isinstance(ear.at, Call):
        ear.send()
    pause = ear.finds({"url": DOOR, "session_start_limit": {"remaining": 9}})
    assert pause == Pause(3.0)


def test_when_no_more_sessions_may_be_begun_it_waits_as_long_as_discord_says() -> None:
    ear = Ear()
    pause = ear.finds({"url": DOOR, "session_start_limit": {"remaining": 0, "reset_after": 7_200_000}})
    assert pause == Pause(7200)
    assert ear.notes[-1].state == "troubled"


def test_a_token_that_nobody_knows_is_told_before_any_session_is_begun() -> None:
    with pytest.raises(Unauthorized):
        Ear().finds({"message": "401: Unauthorized", "code": 0}, status=401)


def test_a_door_that_cannot_be_reached_is_tried_less_and_less_often() -> None:
    ear, waits = Ear(), []
    for _ in range(4):
        pause = ear.fails(Unavailable("no connection"))
        assert isinstance(pause, Pause)
        waits.append(pause.seconds)
        ear.send()
    assert waits == [0.75, 1.5, 3.0, 6.0]


def test_what_storage_does_not_take_waits_in_its_order_and_the_cursor_stands_before_it(ear: Ear) -> None:
    first, second = (message(str(900 + n), f"<@{ME}> {n}", channel="7", mentions=[me()]) for n in (1, 2))
    assert isinstance(ear.told("MESSAGE_CREATE", first, 5), Take)
    assert isinstance(ear.send(None), Hear)
    assert json.loads(ear.notes[-1].cursor)["seq"] == 4
    again = ear.told("MESSAGE_CREATE", second, 6)
    assert isinstance(again, Take)
    assert json.loads(again.body)["d"]["id"] == "901"
    after = ear.send(Taken(b""))
    assert isinstance(after, Take)
    assert json.loads(after.body)["d"]["id"] == "902"
    ear.send(Taken(b""))
    assert json.loads(ear.notes[-1].cursor)["seq"] == 6


def test_another_process_resumes_the_session_where_the_cursor_stands(ear: Ear) -> None:
    said = message("901", "hello", channel="7")
    ear.told("MESSAGE_CREATE", said, 5)
    ear.send(None)
    other = Ear(cursor=ear.notes[-1].cursor)
    assert other.at == Connect(f"{RESUME_AT}/?v=10&encoding=json")
    other.connects()
    assert other.said[-1] == {"op": RESUME, "d": {"token": "canary.token", "session_id": "s1", "seq": 4}}
    assert other.offered(said, 5) is not None


@pytest.mark.parametrize("cursor", ["-", "{}", "[", '{"id": "s", "url": "file:///etc/passwd", "seq": 1}'])
def test_a_cursor_that_leads_nowhere_is_none(cursor: str) -> None:
    assert isinstance(Ear(cursor=cursor).at, Call)


def test_direct_messages_and_mentions_are_said_to_it(ear: Ear) -> None:
    ear.told("GUILD_CREATE", {"id": GUILD, "roles": [{"id": "77", "tags": {"bot_id": ME}}], "channels": []}, 2)
    replied: dict[str, Any] = {"referenced_message": {"author": {"id": ME}}, "type": 19}
    for said in (
        message("901", "hello", channel="7"),
        message("902", f"<@{ME}> hello", channel="8", guild_id=GUILD, mentions=[me()]),
        message("903", "<@&77> hello", channel="8", guild_id=GUILD, mention_roles=["77"]),
        message("904", "and now?", channel="8", guild_id=GUILD, **replied),
    ):
        taken = ear.offered(said)
        assert taken is not None, said
        assert (taken["aside"], taken["me"]) == (False, ME)


def test_a_text_that_is_half_an_emoji_is_taken_in_and_ends_no_session(ear: Ear) -> None:
    taken = ear.offered(message("901", "half \ud83d", channel="7"))
    assert taken is not None
    assert taken["d"]["content"] == "half \ud83d"


def test_what_people_say_to_each_other_and_what_programs_say_is_not(ear: Ear) -> None:
    ear.told("GUILD_CREATE", {"id": GUILD, "channels": [{"id": "8", "type": 0}]}, 2)
    for said in (
        message("901", "hello", channel="8", guild_id=GUILD),
        message("902", "me", channel="7", author=ME),
        message("903", "bot", channel="7") | {"author": {"id": "43", "bot": True}},
        message("904", "hook", channel="7", webhook_id="44"),
    ):
        assert ear.offered(said) is None, said


def test_in_a_thread_it_listens_for_what_goes_on_with_it(ear: Ear) -> None:
    ear.told("GUILD_CREATE", {"id": GUILD, "threads": [{"id": "9", "type": 11}]}, 2)
    taken = ear.offered(message("901", "and on Sunday?", channel="9", guild_id=GUILD))
    assert taken is not None
    assert taken["aside"] is True
    ear.told("THREAD_CREATE", {"id": "10", "type": 11}, 3)
    assert ear.offered(message("902", "hello", channel="10", guild_id=GUILD)) is not None
    assert ear.offered(message("903", "hello", channel="11", guild_id=GUILD, channel_type=12)) is not None
    assert ear.offered(message("904", "hello", channel="11", guild_id=GUILD, channel_type=0)) is None


@pytest.mark.parametrize(("kind", "counts"), [(0, False), (11, True)])
def test_of_a_channel_that_was_never_told_discord_is_asked_once(ear: Ear, kind: int, counts: bool) -> None:
    said = message("901", "hello", channel="12", guild_id=GUILD)
    call = ear.told("MESSAGE_CREATE", said, 2)
    assert isinstance(call, Call)
    assert call.url.endswith("/channels/12")
    step = ear.finds({"id": "12", "type": kind})
    assert isinstance(step, Take) is counts
    if counts:
        ear.send(Taken(b""))
    assert (ear.offered(said | {"id": "902"}, 3) is not None) is counts


def test_the_accounts_options_say_where_it_listens() -> None:
    ear = Ear(options={"direct_messages": "false", "threads": "false", "channels": "8, 13"})
    ear.listens()
    assert ear.offered(message("901", "hello", channel="7")) is None
    assert ear.offered(message("902", "hello", channel="9", guild_id=GUILD, channel_type=11)) is None
    taken = ear.offered(message("903", "hello", channel="13", guild_id=GUILD, channel_type=0))
    assert taken is not None
    assert taken["aside"] is False
    everywhere = Ear(options={"unaddressed": "all"})
    everywhere.listens()
    assert everywhere.offered(message("904", "hello", channel="14", guild_id=GUILD, channel_type=0)) is not None


def test_a_command_that_comes_this_way_is_answered_within_its_three_seconds(ear: Ear) -> None:
    interaction = {"id": "991", "token": "t/k", "type": 2, "data": {"name": "chat"}}
    step = ear.told("INTERACTION_CREATE", interaction, 2)
    assert isinstance(step, Take)
    assert json.loads(step.body) == interaction
    call = ear.send(Taken(b'{"type":5}'))
    assert isinstance(call, Call)
    assert (call.method, call.body) == ("POST", b'{"type":5}')
    assert call.url.endswith("/interactions/991/t%2Fk/callback")
    assert isinstance(ear.fails(Unavailable()), Hear)


@pytest.mark.parametrize(
    "strange",
    [
        "not json",
        "[]",
        '{"op": 0, "t": "MESSAGE_CREATE", "s": "x", "d": {"guild_id": "1", "author": []}}',
        '{"op": 0, "t": ["MESSAGE_CREATE"], "s": 2, "d": 1}',
        '{"op": 0, "t": "GUILD_CREATE", "s": 2, "d": {"roles": [1, {"tags": 2}], "channels": "x", "threads": [null]}}',
        '{"op": 0, "t": "MESSAGE_CREATE", "s": 2, "d": {"guild_id": "1", "mentions": [[]], "mention_roles": [{}]}}',
        '{"op": [], "d": null}',
        '{"op": 0, "t": "MESSAGE_UPDATE", "s": 2, "d": {"content": "x", "edited_timestamp": "soon"}}',
        '{"op": 0, "t": "MESSAGE_DELETE_BULK", "s": 2, "d": {"ids": [[], null, "1"], "channel_id": {}}}',
        '{"op": 0, "t": "MESSAGE_REACTION_ADD", "s": 2, "d": {"guild_id": 1, "member": [], "emoji": 3}}',
    ],
)
def test_what_nobody_understands_is_passed_over(ear: Ear, strange: str) -> None:
    assert isinstance(ear.send(Heard(strange)), Hear)
