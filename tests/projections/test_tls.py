"""`projector.dsn` alone makes PostgreSQL secure: sslmode=verify-full and sslrootcert."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from projections.runner import connect, disconnect
from switch.adapters.embedded_postgres import EmbeddedPostgres
from switch.adapters.http_api import Unavailable
from switch.apps.payment_status import AuditStatus
from tests.projections.tls_front import TlsFront, make_certificate


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("switch.apps.payment_status.CONNECT_TIMEOUT_S", 60.0)


@pytest.fixture
async def front(postgres: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[TlsFront]:
    certificate_file, key_file = make_certificate(tmp_path, "server", "127.0.0.1")
    folder = parse_qs(urlsplit(postgres.dsn).query)["host"][0]
    async with TlsFront(f"{folder}/.s.PGSQL.5432", certificate_file, key_file).serve() as front:
        yield front


def name_dsn(front: TlsFront, ca_file: Path, host: str = "127.0.0.1") -> str:
    return (
        f"postgresql://postgres@{host}:{front.port}/postgres"
        f"?sslmode=verify-full&sslrootcert={ca_file}"
    )


async def test_a_projection_writes_over_tls(front: TlsFront, tmp_path: Path) -> None:
    connection = await connect(name_dsn(front, tmp_path / "server.pem"), "settlement")
    try:
        [row] = await connection.fetch("SELECT current_setting('search_path') AS path")
    finally:
        await disconnect(connection)
    assert row["path"] == "settlement"
    assert (front.secured_count, front.clear_count) == (1, 0)


async def test_payments_are_looked_up_over_tls(front: TlsFront, tmp_path: Path) -> None:
    status = AuditStatus(lambda: name_dsn(front, tmp_path / "server.pem"))
    try:
        async with status.connection() as connection:
            assert await connection.fetch("SELECT 1 AS one")
    finally:
        await status.close()
    assert (front.secured_count, front.clear_count) == (1, 0)


async def test_a_server_with_another_certificate_is_not_spoken_to(
    front: TlsFront, tmp_path: Path
) -> None:
    make_certificate(tmp_path, "other", "127.0.0.1")
    dsn = name_dsn(front, tmp_path / "other.pem")
    with pytest.raises(ssl.SSLCertVerificationError):
        await connect(dsn, "settlement")
    status = AuditStatus(lambda: dsn)
    try:
        with pytest.raises(Unavailable, match="SSLCertVerificationError"):
            async with status.connection():
                raise AssertionError
    finally:
        await status.close()
    assert (front.secured_count, front.clear_count) == (0, 0)


async def test_a_server_under_another_name_is_not_spoken_to(
    front: TlsFront, tmp_path: Path
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="localhost"):
        await connect(name_dsn(front, tmp_path / "server.pem", "localhost"), "settlement")
    assert (front.secured_count, front.clear_count) == (0, 0)


async def test_a_server_without_tls_is_not_spoken_to(front: TlsFront, tmp_path: Path) -> None:
    asked = []

    async def answer_no(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readexactly(8))
        writer.write(b"N")
        asked.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(answer_no, "127.0.0.1", 0)
    front.port = server.sockets[0].getsockname()[1]
    try:
        with pytest.raises(ConnectionError):
            await connect(name_dsn(front, tmp_path / "server.pem"), "settlement")
    finally:
        server.close()
    assert asked[1:] in ([], [b""])  # nothing but the question went out
