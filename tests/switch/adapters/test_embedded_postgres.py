import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from switch.adapters.embedded_postgres import EmbeddedPostgres, PostgresFailed

DEADLINE_S = 60.0
QUICKLY_S = 15.0  # a second or two on a machine with nothing else to do; PostgreSQL itself waits 60

OWNER = """
import sys, time
from pathlib import Path
from switch.adapters.embedded_postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
print("ready", flush=True)
time.sleep(60)
"""


async def ask(dsn: str, question: str = "SELECT 1") -> object:
    connection = await asyncpg.connect(dsn, timeout=DEADLINE_S)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def server_pid(directory: Path) -> int:
    return int((directory / "postmaster.pid").read_text().split("\n", 1)[0])


def lives(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


async def test_it_answers_after_start_keeps_its_rows_over_a_restart_and_stops_quickly(
    tmp_path: Path,
) -> None:
    server = EmbeddedPostgres(tmp_path / "pg")
    server.start()
    server.start()  # running already: nothing happens
    assert server.is_running
    assert await ask(server.dsn, "SELECT current_setting('listen_addresses')") == ""
    await ask(server.dsn, "CREATE TABLE kept AS SELECT 7 AS seven")
    client = await asyncpg.connect(server.dsn)
    begun = time.monotonic()
    server.stop()
    assert time.monotonic() - begun < QUICKLY_S
    assert not server.is_running
    client.terminate()
    begun = time.monotonic()
    with server:
        assert time.monotonic() - begun < QUICKLY_S
        assert await ask(server.dsn, "SELECT seven FROM kept") == 7


async def test_a_server_that_died_is_brought_up_again_by_the_same_owner(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "pg") as server:
        os.kill(server_pid(server.directory), signal.SIGKILL)
        server._process.wait(DEADLINE_S)
        assert not server.is_running
        server.start()
        assert await ask(server.dsn) == 1


@pytest.mark.process
async def test_after_kill_9_of_the_owner_the_next_start_works_without_waiting_for_anybody(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "pg"
    owner = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs on this loop
        [sys.executable, "-c", OWNER, str(directory)], stdout=subprocess.PIPE, cwd=Path.cwd()
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"ready\n"
    orphan = server_pid(directory)
    with pytest.raises(PostgresFailed, match=f"held by process {owner.pid}"):
        EmbeddedPostgres(directory).start()
    owner.kill()
    owner.wait()
    owner.stdout.close()
    begun = time.monotonic()
    with EmbeddedPostgres(directory) as server:
        assert time.monotonic() - begun < QUICKLY_S
        assert await ask(server.dsn) == 1
        assert not lives(orphan)


@pytest.mark.process
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv (util-linux)")
async def test_the_server_dies_with_its_owner_however_that_dies(tmp_path):
    owner = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs on this loop
        [sys.executable, "-c", OWNER, str(tmp_path / "pg")], stdout=subprocess.PIPE, cwd=Path.cwd()
    )
    assert owner.stdout.readline() == b"ready\n"
    server = server_pid(tmp_path / "pg")
    assert lives(server)
    owner.kill()
    owner.wait()
    owner.stdout.close()
    async with asyncio.timeout(DEADLINE_S):
        while lives(server):  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.01)


@pytest.mark.process
async def test_an_orphan_that_outlived_its_owner_is_ended_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("switch.adapters.embedded_postgres._die_with_owner", list)
    first = EmbeddedPostgres(tmp_path / "pg")
    first.start()
    orphan = server_pid(first.directory)
    os.close(first._lock_fd)  # as the kernel does for a killed owner
    begun = time.monotonic()
    with EmbeddedPostgres(tmp_path / "pg") as second:
        assert time.monotonic() - begun < QUICKLY_S
        assert await ask(second.dsn) == 1
        assert not lives(orphan)
    first._lock_fd = -1
    first.stop()


async def test_a_stale_pid_file_that_names_another_program_does_not_hinder(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "pg")
    server.start()
    server.stop()
    (server.directory / "postmaster.pid").write_text(f"{os.getpid()}\n{server.directory}\n")
    with server:
        assert await ask(server.dsn) == 1


async def test_a_long_or_strange_data_path_gets_a_short_socket_folder(tmp_path: Path) -> None:
    directory = tmp_path / ("very, long " * 12) / "pg"
    with EmbeddedPostgres(directory) as server:
        assert len(str(server._socket_directory)) < 103
        assert await ask(server.dsn) == 1
        socket_directory = server._socket_directory
    assert not socket_directory.exists()


def test_no_place_for_a_socket_is_said_clearly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("x" * 100)))
    with pytest.raises(PostgresFailed, match="use a shorter data folder"):
        EmbeddedPostgres(tmp_path / ("y" * 100)).start()


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "pg").mkdir()
    (tmp_path / "pg" / "letters.txt").write_text("dear")
    with pytest.raises(PostgresFailed, match="not empty and not a PostgreSQL folder"):
        EmbeddedPostgres(tmp_path / "pg").start()
    assert (tmp_path / "pg" / "letters.txt").read_text() == "dear"


def test_a_server_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "pg")
    server.start()
    server.stop()
    (server.directory / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(PostgresFailed, match="no_such_setting"):
        server.start()


async def test_a_stop_during_a_start_from_another_thread_leaves_nothing_running(tmp_path: Path):
    server = EmbeddedPostgres(tmp_path / "pg")
    starting = asyncio.create_task(asyncio.to_thread(server.start))
    while server._lock_fd < 0:  # noqa: ASYNC110 - another thread takes it
        await asyncio.sleep(0.001)
    await asyncio.to_thread(server.stop)
    await starting
    assert not server.is_running
    with EmbeddedPostgres(tmp_path / "pg") as successor:
        assert await ask(successor.dsn) == 1
