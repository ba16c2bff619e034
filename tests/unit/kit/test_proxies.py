"""Does a call go through the proxy that every other program would take, and past it where they would?"""

from pathlib import Path

import pytest

from kit.proxies import OutwardSettings, Proxies, proxies
from kit.settings import SettingsError, load

HTTPS, HTTP = "http://secure.proxy:3128", "http://plain.proxy:3128"


def settings(folder: Path, **environ: str) -> OutwardSettings:
    return load(OutwardSettings, environ=environ, env_file=folder / ".env")


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://api.telegram.org/bot", HTTPS),
        ("wss://gateway.discord.gg/?v=10", HTTPS),
        ("http://models.example:8000/v1", HTTP),
        ("ws://models.example/", HTTP),
        ("http://127.0.0.1:11434/api", None),
        ("http://127.1.2.3/", None),
        ("https://[::1]:8443/", None),
        ("http://localhost:11434", None),
        ("http://sandbox.localhost/", None),
        ("ftp://models.example/", None),
        ("https://models.example:port/", None),
        ("https://[models.example/", None),
    ],
)
def test_the_scheme_chooses_and_this_machine_is_spared(url: str, proxy: str | None) -> None:
    assert Proxies(HTTPS, HTTP).of(url) == proxy
    assert Proxies().of(url) is None


@pytest.mark.parametrize(
    ("spared", "url", "is_spared"),
    [
        ("ollama", "http://ollama:11434/api", True),
        ("ollama:11434", "http://ollama:11434/api", True),
        ("ollama:1", "http://ollama:11434/api", False),
        ("corp.example", "http://models.corp.example/", True),
        (" .corp.example , x", "http://models.corp.example/", True),
        ("*.corp.example", "http://models.corp.example/", True),
        ("corp.example", "http://notcorp.example/", False),
        ("api.example:443", "https://api.example/", True),
        ("*", "https://api.telegram.org/", True),
        ("*", "https://8.8.8.8/", True),
        ("10.0.0.0/8", "http://10.1.2.3:11434/", True),
        ("10.0.0.0/8", "http://11.1.2.3:11434/", False),
        ("10.1.2.3", "http://10.1.2.3:11434/", True),
        ("10.1.2.3:11434", "http://10.1.2.3:11434/", True),
        ("fd00::/8", "http://[fd00::7]:11434/", True),
        ("not/a/network", "http://10.1.2.3/", False),
        ("", "http://ollama/", False),
    ],
)
def test_what_no_proxy_lists_is_called_straight(spared: str, url: str, is_spared: bool) -> None:
    assert (Proxies(HTTPS, HTTP, spared=spared).of(url) is None) == is_spared


def test_lower_case_counts_and_counts_first(tmp_path: Path) -> None:
    read = settings(tmp_path, https_proxy=HTTPS, HTTPS_PROXY="http://other:1", HTTP_PROXY=HTTP, no_proxy="a.example")
    made = proxies(read)
    assert made.of("https://b.example/") == HTTPS
    assert made.of("http://b.example/") == HTTP
    assert made.of("https://a.example/") is None


def test_a_proxy_without_a_scheme_is_taken_as_curl_takes_it(tmp_path: Path) -> None:
    assert proxies(settings(tmp_path, HTTPS_PROXY="proxy.corp:3128")).of("https://a.example/") == (
        "http://proxy.corp:3128"
    )


@pytest.mark.parametrize("url", ["socks5://user:pass-word@proxy:1080", "http://", "http://a b:1", "http://a:port"])
def test_what_is_no_proxy_of_http_is_refused_without_being_repeated(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match=r"^HTTPS_PROXY \(environment\): ") as caught:
        settings(tmp_path, https_proxy=url)
    assert "pass-word" not in str(caught.value)
    assert "\n" not in str(caught.value)
