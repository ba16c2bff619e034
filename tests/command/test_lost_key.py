"""What meets an operator whose key of the accounts' credentials is gone: silence on every channel, or a way back?"""

from pathlib import Path

from tests.running import running_mesh

SMS = {
    "TWILIO_API_BASE_URL": "http://127.0.0.1:9",
    "TWILIO_ACCOUNT_SID": "AC" + "7" * 32,
    "TWILIO_AUTH_TOKEN": "a-token",
    "TWILIO_PHONE_NUMBER": "+15005550006",
}


def test_what_the_environment_gives_is_open_at_once_and_the_web_chat_again_with_one_command(tmp_path: Path) -> None:
    with running_mesh(tmp_path, **SMS) as mesh:
        assert "hello" in mesh.command("chat", stdin="hello\n")
    (tmp_path / "data" / "secret.key").unlink()
    with running_mesh(tmp_path, **SMS) as mesh:
        mesh.command("send", "sms", "is anybody there?")
        assert mesh.log.count("account.unreadable") == 1
        said = mesh.run("doctor")
        assert said.returncode == 2, said.stdout
        way_back = "parley channels add webchat --address web"
        assert way_back in said.stdout
        assert way_back in mesh.log
        mesh.command(*way_back.split()[1:])
        assert "hello again" in mesh.command("chat", stdin="hello again\n")
