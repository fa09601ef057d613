import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from switch.adapters.child_process import start_child, watch_parent

pytestmark = pytest.mark.process
DEADLINE_S = 15.0

CHILD = """
import os, pathlib, signal, sys
from switch.adapters.child_process import watch_parent
watch_parent()
mark = pathlib.Path(sys.argv[1])
def stop(*_):
    mark.with_suffix(".stopped").touch()
    sys.exit(7)
signal.signal(signal.SIGTERM, stop)
mark.with_suffix(".aside").write_text(str(os.getpid()))
mark.with_suffix(".aside").rename(mark)
while True:
    signal.pause()
"""

PARENT = """
import asyncio, sys
from switch.adapters.child_process import start_child
async def main():
    child = await start_child("child", [sys.argv[1], sys.argv[2]])
    await child.process.wait()
asyncio.run(main())
"""


@pytest.fixture
def child_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "waiting_child.py").write_text(CHILD)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{Path.cwd()}")
    return "waiting_child"


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def read_mark(path: Path) -> str:
    until(path.exists)
    return path.read_text()


async def read_when_there(path: Path) -> str:
    return await asyncio.to_thread(read_mark, path)


async def test_a_child_is_asked_to_stop_and_its_exit_code_returned(
    tmp_path: Path, child_module: str
) -> None:
    mark = tmp_path / "mark"
    child = await start_child("child", [child_module, str(mark)])
    await read_when_there(mark)
    assert child.is_running
    assert await child.stop(DEADLINE_S) == 7
    assert not child.is_running


async def test_ctrl_c_is_not_for_the_child(tmp_path: Path, child_module: str) -> None:
    mark = tmp_path / "mark"
    child = await start_child("child", [child_module, str(mark)])
    pid = int(await read_when_there(mark))
    os.kill(pid, signal.SIGINT)
    assert await child.stop(DEADLINE_S) == 7


async def test_a_child_that_ignores_the_request_is_killed(
    tmp_path: Path, child_module: str
) -> None:
    mark = tmp_path / "mark"
    child = await start_child("child", [child_module, str(mark)])
    pid = int(await read_when_there(mark))
    os.kill(pid, signal.SIGSTOP)
    assert await child.stop(0.05) == -signal.SIGKILL
    assert not is_alive(pid)


def test_kill_9_of_the_parent_leaves_no_child_behind(tmp_path: Path, child_module: str) -> None:
    mark = tmp_path / "mark"
    with subprocess.Popen([sys.executable, "-c", PARENT, child_module, str(mark)]) as parent:
        pid = int(read_mark(mark))
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    until(lambda: not is_alive(pid))
    assert mark.with_suffix(".stopped").exists()


def test_a_process_that_nobody_started_so_watches_nothing() -> None:
    watch_parent()
