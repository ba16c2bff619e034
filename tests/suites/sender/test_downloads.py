"""Is a file read from where it should be, and from nowhere else? Over TLS to a server that keeps count of who comes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from yarl import URL

from channels.media import Download, Gone
from kit.proxies import Proxies
from sender_service.backends.downloads import Downloads
from sender_service.domain.fetching import Passing
from sender_service.domain.public_addresses import is_public
from tests.simulated.files import Files, content, moved, without_end

NAME, OTHER = "files.provider.test", "store.elsewhere.test"
BEARER = {"authorization": "Bearer secret"}
MOST = 100_000

# Each led somewhere inside, in some program.
INSIDE = (
    *("127.0.0.1", "0177.0.0.1", "2130706433", "0x7f.1", "127.1", "localhost", "0.0.0.0", "0"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::1]"),
    *("[2002:7f00:1::]", "[fd00:ec2::254]", "[fe80::1]", "[::ffff:7f00:1]"),
    *("169.254.169.254", "10.0.0.1", "192.168.0.1", "100.64.0.1", "192.0.0.8", "192.88.99.1", "224.0.0.1"),
    *("\u2460\u2461\u2466.0.0.1", "127\u30020\u30020\u30021", "127.0.0.1."),
)
# Each is no URL of the provider's: what stands before, behind or in the place of its name.
NOT_THEIRS = (
    *("", "/", "//files.provider.test/a", "files.provider.test/a", "https://", "https:///a"),
    *("http://files.provider.test/a", "ftp://files.provider.test/a", "file:///etc/passwd", "gopher://127.0.0.1/"),
    *("https://files.provider.test.evil.test/a", "https://evil-files.provider.test.evil/a", "https://evil.test/a"),
    *("https://files.provider.test@127.0.0.1/a", "https://user:secret@files.provider.test/a"),
    *("https://files.provider.test\\@127.0.0.1/a", "https://127.0.0.1\\.files.provider.test/a"),
    *("https://127.0.0.1#@files.provider.test/a", "https://127.0.0.1?@files.provider.test/a"),
    *("https://files.provider.test%00.evil.test/a", "https://files.provider.test%2f@127.0.0.1/a"),
    *(
        "https://files.provider.test /a",
        "https://files.provider.test/a\r\nhost: evil",
        "https://files\t.provider.test/a",
    ),
    *("https://files.provider.test:80/a", "https://files.provider.test:0/a", "https://files.provider.test:99999/a"),
    *("https://[::1/a", "https://[files.provider.test]/a", "javascript:alert(1)", "data:text/plain,hi"),
)


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[Files]:
    async with Files(tmp_path, (NAME, OTHER, "localhost")) as served:
        yield served


class Names:
    """A resolver of the test's own: each look at a name gives what is next for it."""

    def __init__(self, **known: Sequence[str]) -> None:
        self.known = {name.replace("_", "."): list(addresses) for name, addresses in known.items()}
        self.looks: list[str] = []

    async def __call__(self, name: str, _port: int) -> Sequence[str]:
        self.looks.append(name)
        known = self.known.get(name, ["127.0.0.1"])
        return [known.pop(0) if len(known) > 1 else known[0]]


def trusting(files: Files, names: Names | None = None) -> Downloads:
    """Takes loopback for the open internet, where the test's server is."""
    return Downloads(
        Proxies(),
        resolve=names or Names(),
        is_allowed=lambda address: address == "127.0.0.1",
        tls=files.believing(),
        port=files.port,
    )


async def read(downloads: Downloads, download: Download, *, trusted: str = "", most: int = MOST) -> bytes:
    async with downloads, asyncio.timeout(30), downloads.read(download, trusted=trusted, most_bytes=most) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def refusal(downloads: Downloads, download: Download, *, trusted: str = "", most: int = MOST) -> str:
    with pytest.raises((Gone, Passing)) as raised:
        await read(downloads, download, trusted=trusted, most=most)
    return str(raised.value)


async def test_a_file_is_read_from_the_address_that_was_looked_at_under_its_own_name(files: Files) -> None:
    files.paths["/a?b=c"] = content(b"bytes")
    names = Names()
    got = await read(trusting(files, names), Download(files.url("/a?b=c"), (NAME,), BEARER))
    (asked,) = files.asked
    assert got == b"bytes"
    assert (asked.name, asked.host, asked.path) == (NAME, f"{NAME}:{files.port}", "/a?b=c")
    assert (asked.headers["authorization"], asked.headers["accept-encoding"]) == ("Bearer secret", "identity")
    assert names.looks == [NAME]


async def test_a_name_that_means_something_else_a_moment_later_changes_nothing(files: Files) -> None:
    files.paths["/a"] = content(b"bytes")
    names = Names(files_provider_test=["127.0.0.1", "169.254.169.254"])
    assert await read(trusting(files, names), Download(files.url("/a"), (NAME,))) == b"bytes"
    assert names.looks == [NAME]


async def test_a_name_of_which_one_address_is_inside_is_not_connected_to(files: Files) -> None:
    async def both(_name: str, _port: int) -> Sequence[str]:
        return ["8.8.8.8", "127.0.0.1"]

    downloads = Downloads(Proxies(), resolve=both, tls=files.believing(), port=files.port)
    assert await refusal(downloads, Download(files.url("/a"), (NAME,))) == "refused_address"
    assert files.connections == 0


@pytest.mark.parametrize("host", INSIDE)
async def test_nothing_inside_is_connected_to_by_whatever_name(files: Files, host: str) -> None:
    url = f"https://{host}:{files.port}/latest/meta-data"
    named = URL(url).raw_host or ""
    assert await refusal(Downloads(Proxies(), port=files.port), Download(url, (named, named.rstrip(".")))) in {
        "refused_address",
        "unreachable",  # names that this system does not resolve
    }
    assert files.connections == 0


@pytest.mark.parametrize("host", INSIDE)
async def test_no_redirect_leads_inside(files: Files, host: str) -> None:
    files.paths["/a"] = moved(f"https://{host}:{files.port}/latest/meta-data")
    looks: list[str] = []

    async def at_home(name: str, port: int) -> Sequence[str]:
        if name == NAME:
            return ["127.0.0.1"]
        found = await asyncio.get_running_loop().getaddrinfo(name, port)
        return [str(each[4][0]) for each in found]

    def is_the_first_or_public(address: str) -> bool:
        looks.append(address)
        return len(looks) == 1 or is_public(address)

    downloads = Downloads(
        Proxies(), resolve=at_home, is_allowed=is_the_first_or_public, tls=files.believing(), port=files.port
    )
    assert await refusal(downloads, Download(files.url("/a"), (NAME,))) in {"refused_address", "unreachable"}
    assert [asked.path for asked in files.asked] == ["/a"]


@pytest.mark.parametrize("url", NOT_THEIRS)
async def test_what_is_no_url_of_the_provider_s_is_not_asked_for(files: Files, url: str) -> None:
    assert await refusal(trusting(files), Download(url, (NAME,), BEARER)) == "refused_address"
    assert files.connections == 0


async def test_a_redirect_is_followed_and_takes_no_credentials_along(files: Files) -> None:
    files.paths |= {"/a": moved(files.url("/b", OTHER)), "/b": content(b"bytes")}
    assert await read(trusting(files), Download(files.url("/a"), (NAME,), BEARER)) == b"bytes"
    first, second = files.asked
    assert (first.headers.get("authorization"), first.name) == ("Bearer secret", NAME)
    assert (second.headers.get("authorization"), second.name) == (None, OTHER)


async def test_a_redirect_within_the_provider_keeps_them(files: Files) -> None:
    files.paths |= {"/a": moved("/b", status=307), "/b": content(b"bytes")}
    assert await read(trusting(files), Download(files.url("/a"), (NAME,), BEARER)) == b"bytes"
    assert [asked.headers.get("authorization") for asked in files.asked] == ["Bearer secret"] * 2


@pytest.mark.parametrize("to", ["http://files.provider.test/b", "file:///etc/passwd", "https://a\\@b/", "ftp://x/"])
async def test_a_redirect_to_what_is_never_asked_for_is_refused(files: Files, to: str) -> None:
    files.paths["/a"] = moved(to)
    assert await refusal(trusting(files), Download(files.url("/a"), (NAME,))) == "refused_address"
    assert len(files.asked) == 1


async def test_redirects_come_to_an_end(files: Files) -> None:
    files.paths["/a"] = moved("/a")
    assert await refusal(trusting(files), Download(files.url("/a"), (NAME,))) == "too_many_redirects"
    assert len(files.asked) == 4


async def test_a_certificate_of_another_name_is_not_believed(files: Files) -> None:
    files.paths["/a"] = content(b"bytes")
    downloads = Download(files.url("/a", "api.provider.test"), (".provider.test",), BEARER)
    assert await refusal(trusting(files), downloads) == "unreachable"
    assert files.asked == []


async def test_what_states_too_many_bytes_is_not_read(files: Files) -> None:
    files.paths["/a"] = content(b"x", content_length="1000000000")
    assert await refusal(trusting(files), Download(files.url("/a"), (NAME,))) == "too_large"


async def test_a_gigabyte_that_states_no_length_is_read_no_further_than_it_may(files: Files) -> None:
    files.paths["/a"] = without_end(b"x" * 65536)
    assert await refusal(trusting(files), Download(files.url("/a"), (NAME,))) == "too_large"


async def test_a_body_that_ends_too_early_is_no_file(files: Files) -> None:
    files.paths["/a"] = content(b"half", content_length="8")
    assert await refusal(trusting(files), Download(files.url("/a"), (NAME,))) == "unreachable"


async def test_what_is_packed_for_the_way_is_not_unpacked(files: Files) -> None:
    files.paths["/a"] = content(b"\x1f\x8b\x08" + bytes(30), content_encoding="gzip")
    assert await refusal(trusting(files), Download(files.url("/a"), (NAME,))) == "encoded"


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "unauthorized"), (403, "forbidden"), (404, "not_found"), (410, "not_found"), (204, "not_found")],
)
async def test_what_a_provider_refuses_is_gone(files: Files, status: int, reason: str) -> None:
    files.paths["/a"] = content(b"", status=status)
    downloads = trusting(files)
    with pytest.raises(Gone, match=reason):
        await read(downloads, Download(files.url("/a"), (NAME,)))


@pytest.mark.parametrize(
    ("status", "reason", "wait"),
    [(429, "throttled", None), (500, "provider_error", None), (503, "provider_error", None), (202, "not_ready", 4.0)],
)
async def test_what_may_work_later_is_no_end(files: Files, status: int, reason: str, wait: float | None) -> None:
    files.paths |= {"/a": content(b"", status=status), "/b": content(b"", status=status, retry_after="7.5")}
    for path, stated in (("/a", wait), ("/b", 7.5)):
        with pytest.raises(Passing, match=reason) as passing:
            await read(trusting(files), Download(files.url(path), (NAME,)))
        assert passing.value.retry_after == (None if stated is None else timedelta(seconds=stated))


async def test_a_stand_in_that_the_operator_named_is_asked_where_it_is_and_nothing_beside_it(files: Files) -> None:
    files.paths["/a"] = content(b"bytes")
    stand_in = f"https://localhost:{files.port}/base"
    there = Download(f"https://localhost:{files.port}/a", (NAME,), BEARER)
    assert await read(Downloads(Proxies(), tls=files.believing()), there, trusted=stand_in) == b"bytes"
    assert files.asked[0].headers["authorization"] == "Bearer secret"
    for url in (f"https://localhost:{files.port + 1}/a", f"http://localhost:{files.port}/a"):
        beside = Download(url, ("localhost",))
        assert await refusal(Downloads(Proxies(), port=files.port + 1), beside, trusted=stand_in) == "refused_address"
    assert len(files.asked) == 1
