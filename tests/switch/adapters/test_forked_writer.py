import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from switch.adapters.forked_writer import ChildFailed, fork_writer


async def test_a_child_writes_what_was_there_at_the_fork(tmp_path):
    held = {number: f"value {number}" for number in range(10_000)}
    path = tmp_path / "file"
    writer = fork_writer(path, lambda: (value.encode() for value in held.values()))
    held.clear()
    await writer.wait()
    assert path.read_bytes() == b"".join(f"value {number}".encode() for number in range(10_000))
    assert writer.fork_s < 30


async def test_a_disk_that_is_full_is_named(tmp_path):
    def list_pieces():
        yield b"some"
        raise OSError(errno.ENOSPC, "no room")

    writer = fork_writer(tmp_path / "file", list_pieces)
    with pytest.raises(ChildFailed, match="No space left on device"):
        await writer.wait()


async def test_a_folder_that_is_gone_is_named(tmp_path):
    writer = fork_writer(tmp_path / "gone" / "file", lambda: iter([b"some"]))
    with pytest.raises(ChildFailed, match="No such file"):
        await writer.wait()


async def test_a_fault_in_the_program_stays_in_the_child(tmp_path):
    def list_pieces():
        yield b"some"
        raise AssertionError("the book and its snapshot differ")

    writer = fork_writer(tmp_path / "file", list_pieces)
    with pytest.raises(ChildFailed, match="a fault in this program"):
        await writer.wait()


def list_for_ever():
    while True:
        time.sleep(0.01)
        yield b""


async def test_a_child_that_hangs_is_killed(tmp_path):
    writer = fork_writer(tmp_path / "file", list_for_ever)
    with pytest.raises(ChildFailed, match=r"not written within 0\.1 s"):
        await writer.wait(0.1)
    assert is_gone(writer._pid)


async def test_nobody_stands_still_for_a_child_that_cannot_be_killed_yet(tmp_path, monkeypatch):
    answers = tmp_path / "the disk answers"

    def hang():
        while not answers.exists():
            time.sleep(0.01)
        yield b""

    monkeypatch.setattr(os, "kill", lambda _pid, _signal: None)  # as if it hung in the system
    writer = fork_writer(tmp_path / "file", hang)
    with pytest.raises(ChildFailed, match="not written within"):
        await writer.wait(0.1)
    assert not writer.is_gone
    answers.touch()
    async with asyncio.timeout(10):
        while not writer.is_gone:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
    assert is_gone(writer._pid)


async def test_a_child_that_is_left_is_asked_after_now_and_then_even_if_it_holds_no_pipe_any_more(
    tmp_path, monkeypatch
):
    answers, asked, wait_for = tmp_path / "the disk answers", [], os.waitpid

    def hang():
        os.closerange(0, 1_000)  # as it ends: its pipe is let go of before its files
        while not answers.exists():
            time.sleep(0.01)
        yield b""

    def ask_after(pid, options):
        asked.append(pid)
        return wait_for(pid, options)

    monkeypatch.setattr(os, "kill", lambda _pid, _signal: None)  # as if it hung in the system
    writer = fork_writer(tmp_path / "file", hang)
    with pytest.raises(ChildFailed, match="does not end"):
        await writer.wait()
    monkeypatch.setattr(os, "waitpid", ask_after)
    for _ in range(1_000):
        await asyncio.sleep(0)
    answers.touch()
    assert len(asked) < 100
    async with asyncio.timeout(10):
        while not writer.is_gone:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


async def test_a_child_that_nobody_waits_for_any_more_is_killed(tmp_path):
    writer = fork_writer(tmp_path / "file", list_for_ever)
    waiting = asyncio.create_task(writer.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert is_gone(writer._pid)


async def test_a_child_that_somebody_else_has_asked_after_counts_as_failed(tmp_path):
    writer = fork_writer(tmp_path / "file", lambda: iter([b"some"]))
    await asyncio.to_thread(os.waitpid, writer._pid, 0)
    with pytest.raises(ChildFailed, match="a fault in this program"):
        await writer.wait()


async def test_a_child_that_is_killed_is_named(tmp_path):
    writer = fork_writer(tmp_path / "file", list_for_ever)
    os.kill(writer._pid, signal.SIGKILL)
    with pytest.raises(ChildFailed, match="ended by signal 9"):
        await writer.wait()


async def test_a_signal_for_the_child_is_not_taken_by_the_parent(tmp_path):
    told = []
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, told.append, "terminated")
    try:
        writer = fork_writer(tmp_path / "file", list_for_ever)
        os.kill(writer._pid, signal.SIGTERM)
        with pytest.raises(ChildFailed, match="ended by signal 15"):
            await writer.wait()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
    assert not told


async def test_a_connection_of_the_parent_ends_when_the_parent_closes_it(tmp_path):
    ours, theirs = socket.socketpair()
    writer = fork_writer(tmp_path / "file", list_for_ever)
    waiting = asyncio.create_task(writer.wait())
    deadline = time.monotonic() + 60
    while count_descriptors(writer._pid) > 2:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    ours.close()
    theirs.settimeout(60)
    assert theirs.recv(1) == b""
    theirs.close()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


PARENT = """
import asyncio, os, sys, time
from pathlib import Path
from switch.adapters.forked_writer import fork_writer

def pieces():
    while True:
        time.sleep(0.01)
        yield b"x"

async def main():
    writer = fork_writer(Path(sys.argv[1]), pieces)
    print(writer._pid, flush=True)
    os.kill(os.getpid(), 9)

asyncio.run(main())
"""


def test_a_child_ends_with_its_parent(tmp_path):
    command = [sys.executable, "-c", PARENT, str(tmp_path / "file")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -9
    child = int(done.stdout)
    deadline = time.monotonic() + 60
    while not is_gone(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def count_descriptors(pid):
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def is_gone(pid):
    """Say whether a process has ended; one that nobody has asked after counts."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
