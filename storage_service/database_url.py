"""What does DATABASE_URL say? A Postgres is named as for every other program, and each connection is made by it alike.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS lists the parameters. What the driver
knows is handed to it, what Parley decides itself is left out, and what would be a promise that nobody keeps is refused.
"""

import re
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

SQLITE = "sqlite:///"
POSTGRES = ("postgresql://", "postgres://")
SYSTEM = "system"  # of sslrootcert: whom this machine trusts, instead of a file
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
DRIVER = {
    *("host", "port", "dbname", "user", "password", "passfile", "service", "options", "target_session_attrs"),
    *("sslmode", "sslnegotiation", "sslpassword", "ssl_min_protocol_version", "ssl_max_protocol_version", *FILES),
    *("krbsrvname", "gsslib"),
}
OURS = {
    *("application_name", "fallback_application_name", "client_encoding", "connect_timeout", "tcp_user_timeout"),
    *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "sslsni", "sslcompression"),
}
# Of these the driver has none: who only prefers one goes without, who requires one is told.
LACKING = {"channel_binding": ("disable", "prefer"), "gssencmode": ("disable", "prefer")}
KNOWN = DRIVER | OURS | LACKING.keys()
MEANT = {"ssl": "sslmode", "tls": "sslmode", "sslca": "sslrootcert", "database": "dbname"}
NO_PLACE = "has a port that is no number; in a password write @ : / ? # as %40 %3A %2F %3F %23"
HOST = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(:\d+)?", re.ASCII)


def is_postgres(url: str) -> bool:
    return url.startswith(POSTGRES)


def check(url: str) -> None:
    """ValueError says what is wrong, without a value of it: passwords are in there."""
    if url.startswith(SQLITE):
        _check_file(url.removeprefix(SQLITE))
    elif is_postgres(url):
        _check_place(url)
        _check_parameters(dict(_parameters(url)))
    else:
        raise ValueError("must be sqlite:///<path> or postgresql://user@host/name; empty is SQLite in DATA_DIR")


def dsn(url: str) -> str:
    """A Postgres as its driver takes it."""
    place = url.partition("://")[2].partition("?")[0]
    kept = [each for each in _parameters(url) if each[0] in DRIVER and each != ("sslrootcert", SYSTEM)]
    return f"postgresql://{place}" + (f"?{urlencode(kept)}" if kept else "")


def trusts_system(url: str) -> bool:
    """Whether the server has to show a certificate of those that this machine trusts."""
    return dict(_parameters(url)).get("sslrootcert") == SYSTEM


def _parameters(url: str) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(url).query, keep_blank_values=True)


def _check_file(path: str) -> None:
    if not path or path.startswith(":memory:") or _is(Path(path), "dir"):
        raise ValueError("must name a file: sqlite:///<path>, which is sqlite:////… for one from the root")
    if "?" in path:
        raise ValueError("must name a file without a ?: SQLite's parameters are Parley's to set")
    if not _is(Path(path).parent, "dir"):
        raise ValueError("the folder of the file is missing, or closed to this user: make it, or correct the path")


def _check_place(url: str) -> None:
    """Several hosts are tried in their order, until one is what target_session_attrs asks for."""
    try:
        parts = urlsplit(url)
        user, mark, hosts = parts.netloc.rpartition("@")
    except ValueError:
        raise ValueError(NO_PLACE) from None
    is_cut = parts.fragment or (not mark and "@" in parts.path + parts.query)  # a password goes on there
    if is_cut or "@" in user or not all(map(HOST.fullmatch, hosts.split(","))):
        raise ValueError(NO_PLACE)


def _check_parameters(given: dict[str, str]) -> None:
    for name in given:
        if name not in KNOWN:
            near = MEANT.get(name) or next(iter(get_close_matches(name, KNOWN, n=1)), "")
            raise ValueError(f"{name} is no parameter of Postgres" + (f"; did you mean {near}?" if near else ""))
    for name, without in LACKING.items():
        if given.get(name, without[0]) not in without:
            raise ValueError(f"{name} can only be {' or '.join(without)} here; sslmode=verify-full proves the server")
    _check_tls(given)


def _check_tls(given: dict[str, str]) -> None:
    mode, root = given.get("sslmode"), given.get("sslrootcert")
    if mode not in {None, *SSL_MODES}:
        raise ValueError(f"sslmode must be one of {', '.join(SSL_MODES)}")
    if root == SYSTEM and mode not in {None, "verify-full"}:
        raise ValueError("sslrootcert=system goes with sslmode=verify-full only")
    if root == SYSTEM and given.keys() & set(FILES[1:]):
        raise ValueError(f"sslrootcert=system goes without {', '.join(FILES[1:])}; name a file of certificates instead")
    if mode in {"verify-ca", "verify-full"} and not root:
        raise ValueError(f"sslmode={mode} needs sslrootcert: a file with certificates, or system for this machine's")
    for name in FILES if root != SYSTEM else ():
        if name in given and not _is(Path(given[name]), "file"):
            raise ValueError(f"the file of {name} is missing, or closed to this user")


def _is(path: Path, kind: str) -> bool:
    try:
        return path.is_dir() if kind == "dir" else path.is_file()
    except OSError:  # closed to this user, or no name that a file system takes
        return False
