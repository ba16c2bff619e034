"""Is a Postgres reached as DATABASE_URL says: with TLS that proves the server, and never by way of a pooler?"""

import ssl
import uuid
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from kit.errors import StorageUnavailable
from kit.ids import new_id
from kit.moments import utc_now
from kit.settings import SettingsError
from storage_service.backends import schema
from storage_service.backends.engines import open_engine
from storage_service.backends.postgres import reaching
from storage_service.backends.postgres.database import KINDS
from storage_service.backends.sessions import Sessions
from storage_service.backends.unusable import told, why
from tests.postgres import Server
from tests.simulated.certificates import write
from tests.simulated.postgres_front import Front
from tests.suites.storage.hot import migrate
from tests.suites.storage.test_start import NEW, running

POOLED = (
    "DATABASE_URL: a pooler such as PgBouncer stands before it; name Postgres itself, "
    "since what Parley prepares and listens to belongs to a connection of its own"
)
# What PgBouncer lets by when nobody tells it more: https://www.pgbouncer.org/config.html#ignore_startup_parameters
POOLER = frozenset({"user", "database", "client_encoding", "application_name", "datestyle", "timezone"})
STRANGER = "its certificate is not vouched for by sslrootcert, or is another host's"
NO_STANDBY = "none of its hosts is what target_session_attrs asks for"
NO_TLS = "it hangs up, or does not speak TLS, which sslmode asks for"


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    """What a server at 127.0.0.1 shows; who vouches for it is in pki/ca.pem."""
    write(tmp_path / "pki")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pki" / "cert.pem", tmp_path / "pki" / "key.pem")
    return context


@pytest.fixture
def trusted_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine trusts pki/ca.pem."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "pki" / "ca.pem"))
    reaching._trusted.cache_clear()
    yield
    reaching._trusted.cache_clear()


async def obstacle(url: str) -> str:
    """What keeps it away, as doctor and the log have it; empty when nothing does."""
    try:
        await schema.revisions(url)
    except (OSError, DBAPIError) as error:
        return why(error)
    return ""


@pytest.mark.parametrize("query", ["", "sslmode=require", "sslmode=verify-full&sslrootcert={ca}"])
async def test_every_connection_of_a_storage_is_made_as_the_url_says(
    query: str, tls: ssl.SSLContext, tmp_path: Path, postgres_server: Server
) -> None:
    async with Front(postgres_server.fresh(migrate), tls) as front:
        async with running(front.named(query.format(ca=tmp_path / "pki" / "ca.pem")), tmp_path, NEW):
            pass
        assert len(front.encrypted) > len(KINDS) + 1, "of hot work, of the crier and of SQLAlchemy"
        assert all(front.encrypted)


@pytest.mark.usefixtures("trusted_here")
async def test_a_server_is_proven_by_whom_this_machine_trusts(tls: ssl.SSLContext, postgres_server: Server) -> None:
    async with Front(postgres_server.fresh(migrate), tls) as front:
        assert await obstacle(front.named("sslrootcert=system")) == ""
        assert await obstacle(front.named("sslmode=verify-full&sslrootcert=system", host="localhost")) == STRANGER
        assert await obstacle(front.named("sslmode=verify-full&sslrootcert=system")) == ""
        assert front.encrypted == [True, True]


async def test_a_server_that_cannot_prove_itself_is_not_used(
    tls: ssl.SSLContext, tmp_path: Path, postgres_server: Server
) -> None:
    write(tmp_path / "other")
    stranger = f"sslmode=verify-ca&sslrootcert={tmp_path / 'other' / 'ca.pem'}"
    async with Front(postgres_server.fresh(migrate), tls) as front:
        assert await obstacle(front.named(stranger)) == STRANGER
        assert await obstacle(front.named(f"sslmode=verify-full&sslrootcert={tmp_path / 'pki' / 'ca.pem'}")) == ""
    async with Front(postgres_server.fresh(migrate)) as front:
        assert await obstacle(front.named("sslmode=require")) == NO_TLS


async def test_one_that_wants_tls_says_so_to_who_comes_without(tls: ssl.SSLContext, postgres_server: Server) -> None:
    async with Front(postgres_server.fresh(migrate), tls) as front:
        sessions = Sessions(open_engine(front.named("sslmode=disable")), now=utc_now, new_id=new_id)
        with pytest.raises(StorageUnavailable):
            async with sessions.across_tenants() as session:
                await session.connection()
        await sessions.close()
        assert (await obstacle(front.named("sslmode=disable"))).endswith(
            "it may ask for TLS, or for a certificate (sslmode, sslcert)"
        )


@pytest.mark.parametrize("drops_unknown", [False, True])
async def test_a_pooler_is_told_at_the_start(drops_unknown: bool, tmp_path: Path, postgres_server: Server) -> None:
    """Also one that was told to drop what it does not know: it would lend our session to others."""
    async with Front(postgres_server.fresh(), known=POOLER, drops_unknown=drops_unknown) as front:
        with pytest.raises(SettingsError) as raised:
            async with running(front.named(), tmp_path, NEW):
                pass
    assert str(raised.value) == POOLED


@pytest.mark.parametrize("kind", [asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError])
def test_so_is_one_that_comes_between_later(kind: type[asyncpg.PostgresError]) -> None:
    with pytest.raises(SettingsError) as raised, told("postgresql://host/parley"):
        raise kind("prepared statement")
    assert str(raised.value) == POOLED


async def test_a_database_without_room_for_all_letters_is_told_at_the_start(
    tmp_path: Path, postgres_server: Server
) -> None:
    """Else who writes with an emoji is not heard."""
    name = f"t_{uuid.uuid4().hex}"
    postgres_server.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    try:
        with pytest.raises(SettingsError, match="DATABASE_URL: its encoding is LATIN1, which lacks letters"):
            async with running(postgres_server.url(name), tmp_path, NEW):
                pass
    finally:
        postgres_server.drop(postgres_server.url(name))


@pytest.mark.parametrize(
    ("version", "told"), [((12, 22), "it is Postgres 12; Parley needs 13 or newer"), ((13, 0), "")]
)
async def test_so_is_a_server_that_is_too_old(
    version: tuple[int, int], told: str, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = asyncpg.types.ServerVersion(*version, 0, "final", 0)
    monkeypatch.setattr(asyncpg.Connection, "get_server_version", lambda _connection: numbers)
    url = postgres_server.fresh(migrate)
    if told:
        with pytest.raises(SettingsError, match=f"DATABASE_URL: {told}"):
            await schema.revisions(url)
    else:
        await schema.revisions(url)


async def test_of_several_hosts_the_one_that_takes_writes_is_found(postgres_server: Server) -> None:
    url = postgres_server.fresh(migrate)
    assert await obstacle(url.replace("@", "@127.0.0.1:1,") + "?target_session_attrs=primary") == ""
    assert await obstacle(f"{url}?target_session_attrs=standby") == NO_STANDBY


async def test_a_socket_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert await obstacle(f"postgresql://parley@/parley?host={tmp_path}") == "its socket is not there"
