"""Can another server stand in for the API of every provider that there is?"""

from pathlib import Path

from channels.registry import CHANNELS
from kit.settings import load
from sender_service.settings import Settings


def test_every_provider_of_the_registry_can_be_stood_in_for(tmp_path: Path) -> None:
    providers = {each.provider for each in CHANNELS.values() if each.provider}
    environ = {f"{name.upper()}_API_BASE_URL": f"http://here/{name}" for name in providers}
    found = load(Settings, environ=environ, env_file=tmp_path / "none")
    assert found.api_base_urls() == {name: f"http://here/{name}" for name in providers}
