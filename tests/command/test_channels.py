"""Do `parley channels add`, `test`, `list` and `remove` do what they say, in a mesh, at providers like the real?"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.command.model_servers import serving
from tests.command.terminal import at_a_terminal
from tests.running import Mesh, running_mesh
from tests.simulated.discord import Discord
from tests.simulated.meta import Meta
from tests.simulated.slack import Slack
from tests.simulated.telegram import Telegram
from tests.simulated.twilio import ACCOUNT_SID, Twilio

BASE = "https://chat.example.com"
BOT_TOKEN = "123456789:canary-bot-token"
AUTH_TOKEN = "canary-auth-token"
APP_TOKEN = "xoxb-canary-app-token"
NUMBER, SANDBOX = "+14155550100", "+14155238886"


@dataclass
class World:
    """A mesh, and who it would send to."""

    mesh: Mesh
    telegram: Telegram
    twilio: Twilio
    discord: Discord
    webhook: dict[str, object] = field(default_factory=dict)  # of the bot, as `add` has set it
    bot: str = ""

    def ran(self, *words: str, code: int = 0) -> str:
        """Runs `parley channels …`, which must end with this code, and show no secret whatever it says."""
        done = self.mesh.run("channels", *words)
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        assert "canary" not in said
        return said

    def listed(self) -> dict[str, dict[str, Any]]:
        """The accounts of providers, by address."""
        found = json.loads(self.ran("list", "--json"))["accounts"]
        return {each["address"]: each for each in found if each["webhook"]}

    def at(self, **settings: str) -> "World":
        """The command alone gets other settings."""
        other = Mesh(self.mesh.folder, self.mesh.http_port, {**self.mesh.environment, **settings}, self.mesh.process)
        return World(other, self.telegram, self.twilio, self.discord)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    telegram = Telegram(bot_token=BOT_TOKEN)
    twilio = Twilio(auth_token=AUTH_TOKEN, kind="Trial", numbers={NUMBER: "https://demo.twilio.com/welcome"})
    slack, discord = Slack(bot_token=APP_TOKEN), Discord(bot_token=APP_TOKEN)
    number = {"verified_name": "Shop", "display_phone_number": "+1 415 555 0100"}
    ends = {"data": {"is_valid": True, "expires_at": int(time.time()) + 86_400}}
    meta = Meta(access_token=APP_TOKEN, known={"105954558954427": number, "debug_token": ends})
    folder = tmp_path_factory.mktemp("channels")
    (folder / "app_token").write_text(APP_TOKEN)
    (folder / "bot_token").write_text(BOT_TOKEN + "\n")
    (folder / "auth_token").write_text(AUTH_TOKEN)
    (folder / "wrong").write_text("123456789:canary-of-nobody")
    with serving(telegram, twilio, slack, discord, meta):
        bases = {
            "TELEGRAM_API_BASE_URL": telegram.server.base_url,
            "TWILIO_API_BASE_URL": twilio.server.base_url,
            "SLACK_API_BASE_URL": slack.base_url,
            "DISCORD_API_BASE_URL": discord.server.base_url,
            "WHATSAPP_API_BASE_URL": meta.server.base_url,
            "PUBLIC_BASE_URL": BASE,
        }
        with running_mesh(folder, **bases) as mesh:
            yield World(mesh, telegram, twilio, discord)
            assert "canary" not in mesh.log


@pytest.fixture
def bot(world: World) -> str:
    """The id of the bot's account, which is active and whose webhook is set."""
    world.telegram.waiting, world.telegram.last_error = 0, ""
    if not world.webhook or world.telegram.webhook != world.webhook:
        said = world.ran("add", "telegram", "--set", "bot_token=@bot_token")
        world.webhook, world.bot = dict(world.telegram.webhook), said.partition("is active: ")[2].split()[0]
    return world.bot


def test_a_bot_is_added_named_by_itself_and_its_webhook_is_set(world: World, bot: str) -> None:
    account = world.listed()["@parley_bot"]
    assert (account["id"], account["state"], account["agent"]) == (bot, "active", "default")
    assert account["webhook"].startswith(f"{BASE}/webhook/telegram/")
    assert world.telegram.webhook["url"] == account["webhook"]
    assert {"message", "edited_message", "callback_query"} <= set(world.telegram.webhook["allowed_updates"])
    assert len(world.telegram.webhook["secret_token"]) >= 64
    assert "Telegram takes them: Parley, @parley_bot" in world.ran("test", bot)


def test_adding_it_again_keeps_its_id_and_the_secret_of_its_webhook(world: World, bot: str) -> None:
    secret = world.telegram.webhook["secret_token"]
    world.telegram.webhook = {}
    said = world.ran("add", "telegram", "--address", "@parley_bot", "--name", "Shop bot", "--quiet-window", "2.5")
    assert f"set to {BASE}/webhook/telegram/" in said
    account = world.listed()["@parley_bot"]
    assert (account["id"], account["name"]) == (bot, "Shop bot")
    assert world.telegram.webhook["secret_token"] == secret


def test_an_update_with_that_secret_is_accepted_by_the_gateway(world: World, bot: str) -> None:
    del bot
    key = world.telegram.webhook["url"].rpartition("/")[2]
    secrets = {"TELEGRAM_BOT_TOKEN": BOT_TOKEN, "TELEGRAM_WEBHOOK_SECRET": world.telegram.webhook["secret_token"]}
    done = world.at(**secrets).mesh.run("send", "telegram", "hello", "--account-key", key)
    assert done.returncode == 0, done.stdout + done.stderr
    world.mesh.wait_until(lambda: any("hello" in each.text for each in world.telegram.sends.all))


def test_a_wrong_token_stores_nothing_and_says_what_to_do_in_one_line(world: World) -> None:
    before = world.listed()
    lines = world.ran("add", "telegram", "--address", "@nobody", "--set", "bot_token=@wrong", code=2).splitlines()
    assert lines[0] == "parley: Telegram does not know this bot_token (401)"
    assert "@BotFather" in lines[1]
    assert len(lines) == 2
    assert world.listed() == before


def test_a_provider_that_cannot_be_reached_stops_it_unless_nobody_shall_be_asked(world: World) -> None:
    offline = world.at(TELEGRAM_API_BASE_URL="http://127.0.0.1:9")
    words = ("add", "telegram", "--address", "@offline", "--set", "bot_token=@wrong")
    first, fix = offline.ran(*words, code=1).splitlines()
    assert "cannot be reached at 127.0.0.1:9" in first
    assert "--no-probe" in fix
    said = offline.ran(*words, "--no-probe")
    assert "not checked" in said
    account = world.listed()["@offline"]
    assert account["state"] == "active"
    assert "cannot be reached" in offline.ran("test", account["id"], code=1)
    world.ran("remove", account["id"], "--yes", code=1)  # its webhook: that token is nobody's


def test_a_number_is_added_and_what_to_click_holds_the_exact_url(world: World) -> None:
    words = ("--set", f"account_sid={ACCOUNT_SID}", "--set", "auth_token=@auth_token")
    said = world.ran("add", "sms", "--address", NUMBER, *words)
    account = world.listed()[NUMBER]
    assert "trial account" in said
    entered = f"{account['webhook']}#rc=5&rp=ct,rt,5xx"
    assert f"enter {entered}\n" in said
    assert f"Active numbers > {NUMBER}" in said
    assert f"Webhook, {entered}, HTTP POST" in said
    assert "set to another address" in world.ran("test", "sms", code=1)
    world.twilio.numbers = {NUMBER: account["webhook"]}
    assert f"set to {account['webhook']}; with #rc=5" in world.ran("test", "sms")
    world.twilio.numbers = {NUMBER: entered}
    assert f"set to {entered}\n" in world.ran("test", "sms")
    assert "1. " not in world.ran("add", "sms", "--address", NUMBER)


def test_a_number_of_somebody_else_is_refused(world: World) -> None:
    words = ("--set", f"account_sid={ACCOUNT_SID}", "--set", "auth_token=@auth_token")
    said = world.ran("add", "sms", "--address", "+14155550199", *words, code=2)
    assert "none of this Twilio account's" in said
    assert "+14155550199" not in world.listed()


def test_the_sandbox_is_added_with_the_variables_of_the_environment(world: World) -> None:
    given = {"TWILIO_ACCOUNT_SID": ACCOUNT_SID, "TWILIO_AUTH_TOKEN": AUTH_TOKEN}
    said = world.at(**given).ran("add", "whatsapp", "--address", f"whatsapp:{SANDBOX}")
    assert "auth_token from TWILIO_AUTH_TOKEN" in said
    assert "Sandbox settings" in said
    assert "does not tell how it stands" in world.ran("test", "whatsapp")
    world.ran("add", "whatsapp", "--address", SANDBOX)
    assert [each for each in world.listed() if SANDBOX in each] == [f"whatsapp:{SANDBOX}"]


def test_an_app_of_slack_is_named_by_its_workspace_and_set_by_hand(world: World) -> None:
    (world.mesh.folder / "signing_secret").write_text("canary-signing-secret")
    said = world.ran("add", "slack", "--set", "bot_token=@app_token", "--set", "signing_secret=@signing_secret")
    account = world.listed()["T0SIMULATE"]
    assert account["name"] == "Acme"
    assert f"Event Subscriptions > Request URL: {account['webhook']}" in said
    assert "does not tell how it stands" in world.ran("test", "slack")


def test_an_application_of_discord_is_told_where_to_post_and_no_more_when_it_is_removed(world: World) -> None:
    words = ("add", "discord", "--set", "bot_token=@app_token", "--set")
    assert "another application's" in world.ran(*words, f"public_key={'cd' * 32}", code=2)
    world.ran(*words, f"public_key={world.discord.public_key}")
    account = world.listed()["1029384756"]
    assert world.discord.endpoint == account["webhook"]
    assert f"set to {account['webhook']}" in world.ran("test", "discord")
    world.ran("remove", account["id"], "--yes")
    assert world.discord.endpoint is None


def test_a_bot_of_discord_without_a_public_address_is_connected_to(world: World) -> None:
    laptop = world.at(PUBLIC_BASE_URL="")
    words = ("add", "discord", "--set", "bot_token=@app_token", "--set", f"public_key={world.discord.public_key}")
    said = laptop.ran(*words)
    assert "keeps a connection to Discord" in said
    world.mesh.wait_until(lambda: world.discord.gateway.is_heard, seconds=60)
    world.ran(*words, "--no-listen")
    assert world.discord.endpoint == world.listed()["1029384756"]["webhook"]
    world.mesh.wait_until(lambda: not world.discord.gateway.is_heard, seconds=60)


def test_a_number_at_meta_is_added_by_its_id(world: World) -> None:
    words = [f"--set={name}=@app_token" for name in ("access_token", "app_secret", "verify_token")]
    assert "does not show this id" in world.ran("add", "whatsapp_cloud", "--address", "1059", *words, code=2)
    said = world.ran("add", "whatsapp_cloud", "--address", "105954558954427", *words)
    assert "people write to +1 415 555 0100" in said
    account = world.listed()["105954558954427"]
    assert f"Callback URL: {account['webhook']}," in said
    assert account["health"] == "token expires"
    tested = world.ran("test", account["id"], code=1)
    assert "the access_token ends at 2" in tested
    assert "fix: take new ones from the provider: parley channels add whatsapp_cloud" in tested


def test_an_account_keeps_its_options(world: World, bot: str) -> None:
    add = ("add", "telegram", "--address", "@parley_bot")
    world.ran(*add, "--option", "silent_after_hours=9000", code=1)
    world.ran(*add, "--option", "silent_after_hours=24")
    world.ran(*add)
    found = {each["id"]: each["options"] for each in json.loads(world.ran("list", "--json"))["accounts"]}
    assert found[bot] == {"silent_after_hours": "24"}


def test_without_a_public_https_address_no_webhook_is_set_and_that_is_said(world: World, bot: str) -> None:
    del bot
    world.telegram.webhook = {}
    for base, words in (
        ("", "PUBLIC_BASE_URL is not set"),
        ("http://chat.example.com", "PUBLIC_BASE_URL is not https"),
    ):
        words_of = ("add", "telegram", "--address", "@parley_bot", "--no-listen")
        said = world.at(PUBLIC_BASE_URL=base).ran(*words_of, code=1)
        assert words in said
        assert "fix: set PUBLIC_BASE_URL" in said
    assert world.telegram.webhook == {}


def test_a_bot_without_a_public_address_is_listened_to_and_that_is_said(world: World, bot: str) -> None:
    assert world.telegram.webhook
    laptop = world.at(PUBLIC_BASE_URL="")
    said = laptop.ran("add", "telegram", "--address", "@parley_bot")
    assert "asks Telegram for updates (long polling)" in said
    assert "PUBLIC_BASE_URL is not set" in said
    world.mesh.wait_until(lambda: bool(world.telegram.updates.asked), seconds=60)
    assert world.telegram.webhook == {}
    world.telegram.write("hello from the couch", chat_id=4711, number=900_001)
    world.mesh.wait_until(lambda: any("the couch" in each.text for each in world.telegram.sends.all), seconds=60)
    world.mesh.wait_until(
        lambda: "the provider is listened to" in laptop.mesh.run("channels", "test", bot).stdout, seconds=60
    )
    listed = json.loads(world.ran("list", "--json"))["accounts"]
    assert [(each["listens"], each["webhook"]) for each in listed if each["id"] == bot] == [("yes", "")]
    assert "the provider is listened to" in world.mesh.run("doctor").stdout
    world.ran("add", "telegram", "--address", "@parley_bot")
    assert world.listed()["@parley_bot"]["webhook"] == world.telegram.webhook["url"]


def test_a_provider_that_calls_only_cannot_be_listened_to(world: World) -> None:
    assert "cannot be listened to" in world.ran("add", "sms", "--address", NUMBER, "--listen", code=2)


def test_what_is_wrong_with_a_webhook_is_found_with_its_fix(world: World, bot: str) -> None:
    world.telegram.waiting, world.telegram.last_error = 7, "Connection timed out"
    said = world.ran("test", "telegram", code=1)
    assert "7 updates wait; the last error: Connection timed out" in said
    assert "fix: the gateway must answer at PUBLIC_BASE_URL" in said
    world.telegram.webhook["url"] = "https://other.example.com/123:canary-of-another-bot"
    said = world.ran("test", bot, code=1)
    assert "set to another address, at other.example.com" in said
    assert "parley channels add telegram --address @parley_bot sets it" in said


def test_the_findings_are_there_for_a_program_too(world: World, bot: str) -> None:
    ((account,),) = json.loads(world.ran("test", bot, "--json")).values()
    assert account["id"] == bot
    assert {each["about"]: each["level"] for each in account["findings"]} == {
        "state": "ok",
        "health": "ok",
        "credentials": "ok",
        "note": "ok",
        "webhook": "ok",
    }


def test_a_paused_account_is_broken_until_it_is_resumed(world: World, bot: str) -> None:
    world.ran("pause", bot)
    assert "paused: operator" in world.ran("list")
    assert f"parley channels resume {bot}" in world.ran("test", bot, code=2)
    world.ran("resume", bot)
    assert world.listed()["@parley_bot"]["state"] == "active"


def test_removing_asks_first_then_disables_and_takes_the_webhook_away(world: World, bot: str) -> None:
    assert "--yes" in world.ran("remove", bot, code=1)
    assert world.telegram.webhook
    assert "its webhook is taken away, too" in world.ran("remove", bot, "--yes")
    assert world.telegram.webhook == {}
    account = world.listed()["@parley_bot"]
    assert (account["state"], account["reason"]) == ("disabled", "removed")
    assert "disabled" in world.ran("test", bot, code=2)


def test_a_webhook_of_another_installation_survives_a_removal(world: World, bot: str) -> None:
    elsewhere = {"url": "https://other.example.com/hook"}
    world.telegram.webhook = dict(elsewhere)
    assert "no webhook at the provider was ours" in world.ran("remove", bot, "--yes")
    assert world.telegram.webhook == elsewhere


def test_a_person_at_a_terminal_is_asked_and_sees_no_secret(world: World) -> None:
    said = at_a_terminal(world.mesh, "add", "telegram", typed=(BOT_TOKEN,))
    assert "bot_token (Token that @BotFather gave; sends messages.): " in said
    assert "bot_token from you" in said
    assert "canary" not in said
    world.bot = said.partition("is active: ")[2].split()[0]
    assert "nothing was removed" in at_a_terminal(world.mesh, "remove", world.bot, typed=("n",))


def test_the_bot_of_the_environment_is_the_account_that_the_mesh_makes_of_it(world: World) -> None:
    given = {"TELEGRAM_BOT_TOKEN": BOT_TOKEN, "TELEGRAM_WEBHOOK_SECRET": "canary-secret-of-the-environment"}
    said = world.at(**given).ran("add", "telegram")
    assert "telegram telegram is active" in said
    assert "webhook_secret from TELEGRAM_WEBHOOK_SECRET" in said
    assert "/webhook/telegram alone leads to the first" in said
    assert world.telegram.webhook["secret_token"] == given["TELEGRAM_WEBHOOK_SECRET"]
    assert world.listed()["telegram"]["options"] == {"bot_name": "@parley_bot"}  # or it answers all that a group says


def test_a_second_web_chat_asks_nobody_and_has_no_webhook(world: World) -> None:
    said = world.ran("add", "webchat", "--address", "shop")
    assert "nobody to ask" in said
    assert "session_key from chance" in said
    assert "/?site=" in said
    assert "webhook" not in said
    assert "shop" not in world.listed()


def test_a_channel_that_the_environment_sets_by_half_is_listed(world: World) -> None:
    half = world.at(TELEGRAM_BOT_TOKEN=BOT_TOKEN)
    said = half.ran("list")
    assert "telegram is half set in the environment: TELEGRAM_WEBHOOK_SECRET missing" in said
    halves = json.loads(half.ran("list", "--json"))["half_set"]
    assert halves == [{"channel": "telegram", "missing": ["TELEGRAM_WEBHOOK_SECRET"]}]


@pytest.mark.parametrize(
    ("words", "said", "fix"),
    [
        (("test", "nobody"), "there is no account 'nobody'", "parley channels list"),
        (("remove", "nobody", "--yes"), "there is no account 'nobody'", "parley channels list"),
        (("add", "fax"), "there is no channel 'fax'", "one of: "),
        (("add", "api"), "api has no accounts to add", "parley keys create"),
        (("add", "telegram"), "telegram needs bot_token", "--set bot_token=@FILE, or TELEGRAM_BOT_TOKEN"),
        (("add", "telegram", "--set", "canary"), "a --set names no credential", "bot_token, webhook_secret"),
        (("add", "sms", "--address", "14155550100"), "a number begins with + and its country code", "+14155550100"),
        (("add", "telegram", "--agent", "nobody"), "there is no agent 'nobody'", "one of: default"),
    ],
)
def test_a_mistake_is_one_line_and_its_fix(world: World, words: tuple[str, ...], said: str, fix: str) -> None:
    done = world.mesh.run("channels", *words)
    lines = done.stderr.splitlines()
    assert done.returncode in (1, 2)
    assert said in lines[0]
    assert fix in lines[1]
    assert len(lines) == 2
    assert "canary" not in done.stdout + done.stderr


def test_no_file_of_the_mesh_holds_a_secret_in_clear(world: World, bot: str) -> None:
    del bot
    data = Path(world.mesh.environment["DATA_DIR"])
    holding = [each.name for each in data.rglob("*") if each.is_file() and b"canary" in each.read_bytes()]
    assert holding == []
