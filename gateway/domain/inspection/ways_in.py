"""By which other URL may the provider have reached us? What it signed is the URL that a person gave it.

Proxies and tunnels change scheme, host, port and path; people mistype a slash or leave the account's key away.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from urllib.parse import unquote, urlsplit

from channels.channel import Webhook

MOST_TRIED = 240  # each costs a few signatures; what stands first is what mostly is the case

_HOSTS = ("host", "x-forwarded-host", "x-original-host", "x-forwarded-server")


def other_urls(webhook: Webhook, public_base_url: str) -> Iterator[str]:
    """Each once, the likely ones first; never the one that was taken."""
    seen = {webhook.url}
    for path, origin in product(_paths(webhook, public_base_url), _origins(webhook, public_base_url)):
        url = origin + path
        if url not in seen:
            seen.add(url)
            yield url
        if len(seen) > MOST_TRIED:
            return


def origin_of(url: str) -> str:
    """Scheme and host."""
    return "/".join(url.split("/", 3)[:3])


def base_of(url: str, webhook_path: str) -> str:
    """What PUBLIC_BASE_URL must say so that the webhook's path leads to this URL; "" when none does."""
    bare = url.partition("?")[0]
    return bare.removesuffix(webhook_path) if bare.endswith(webhook_path) else ""


def own_path(url: str) -> str:
    """The part of a webhook's URL that is ours, from /webhook/ on, without the query."""
    path = url.partition("?")[0]
    at = path.find("/webhook/")
    return path[at:] if at >= 0 else ""


def _origins(webhook: Webhook, public_base_url: str) -> list[str]:
    hosts = [*_stated_hosts(webhook.headers), *(urlsplit(each).netloc for each in (public_base_url, webhook.url))]
    found = []
    for scheme, host in product(("https", "http"), dict.fromkeys(filter(None, hosts))):
        bare = host.rsplit(":", 1)[0] if host.rpartition(":")[2].isdigit() else host
        port = webhook.headers.get("x-forwarded-port", "")
        found += [f"{scheme}://{host}", f"{scheme}://{bare}"]
        found += [f"{scheme}://{bare}:{port}"] if port.isdigit() else []
    return list(dict.fromkeys(found))


def _stated_hosts(headers: Mapping[str, str]) -> Iterator[str]:
    for name in _HOSTS:
        yield from (each.strip() for each in headers.get(name, "").split(","))
    for each in headers.get("forwarded", "").replace(",", ";").split(";"):
        name, _, value = each.partition("=")
        if name.strip().lower() == "host":
            yield value.strip().strip('"')


def _paths(webhook: Webhook, public_base_url: str) -> list[str]:
    asked = webhook.url.removeprefix(origin_of(webhook.url))
    path, mark, query = asked.partition("?")
    ours = own_path(webhook.url) or path
    prefix = webhook.headers.get("x-forwarded-prefix", "").rstrip("/")
    public = urlsplit(public_base_url).path.rstrip("/")
    without_key = "/".join(ours.split("/")[:3])
    paths = [path, ours, public + ours, prefix + ours]
    paths += [f"{each}/" if not each.endswith("/") else each.rstrip("/") for each in paths]
    paths += [without_key, f"{without_key}/", unquote(path)]
    queries = [mark + query, ""] if query else ["", "?"]
    return list(dict.fromkeys(each + asked_for for asked_for in queries for each in paths))
