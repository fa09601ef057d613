import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from switch.adapters.child_process import start_child

pytestmark = pytest.mark.process
DEADLINE_S = 60.0

CHILD = """
import os, signal, sys
from switch.adapters.child_process import report, take_order
order = take_order().decode().strip()
def stop(*_):
    open(order, "w").close()
    sys.exit(7)
signal.signal(signal.SIGTERM, stop)
report(str(os.getpid()).encode())
while True:
    signal.pause()
"""

PARENT = """
import asyncio, sys
from switch.adapters.child_process import start_child
async def main():
    said = lambda line: print(line.decode().strip(), flush=True)
    child = await start_child("child", ["waiting_child"], sys.argv[1].encode(), said)
    await child.wait()
asyncio.run(main())
"""


class Heard:
    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self._came = asyncio.Event()

    def take(self, line: bytes) -> None:
        self.lines.append(line)
        self._came.set()

    async def pid(self) -> int:
        await asyncio.wait_for(self._came.wait(), DEADLINE_S)
        return int(self.lines[0])


@pytest.fixture
def order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Make the child importable; its order is the file that it leaves when asked to stop."""
    (tmp_path / "waiting_child.py").write_text(CHILD)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{Path(__file__).parents[3]}")
    return str(tmp_path / "stopped").encode()


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


async def test_a_child_takes_its_order_reports_and_stops_when_asked(order: bytes) -> None:
    heard = Heard()
    child = await start_child("child", ["waiting_child"], order, heard.take)
    assert await heard.pid() == child.process.pid
    assert child.is_running
    assert await child.stop(DEADLINE_S) == 7
    assert not child.is_running
    assert await asyncio.to_thread(Path(order.decode()).exists)


async def test_ctrl_c_is_not_for_the_child(order: bytes) -> None:
    heard = Heard()
    child = await start_child("child", ["waiting_child"], order, heard.take)
    os.kill(await heard.pid(), signal.SIGINT)
    assert await child.stop(DEADLINE_S) == 7


async def test_a_child_that_ignores_the_request_is_killed(order: bytes) -> None:
    heard = Heard()
    child = await start_child("child", ["waiting_child"], order, heard.take)
    pid = await heard.pid()
    os.kill(pid, signal.SIGSTOP)
    assert await child.stop(0.05) == -signal.SIGKILL
    assert not is_alive(pid)


async def test_a_child_that_dies_is_noticed(order: bytes) -> None:
    heard = Heard()
    child = await start_child("child", ["waiting_child"], order, heard.take)
    os.kill(await heard.pid(), signal.SIGKILL)
    assert await asyncio.wait_for(child.wait(), DEADLINE_S) == -signal.SIGKILL


def test_kill_9_of_the_parent_leaves_no_child_behind(order: bytes) -> None:
    command = [sys.executable, "-c", PARENT, order.decode()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    until(lambda: not is_alive(pid))
    assert Path(order.decode()).exists()


def test_a_child_started_by_hand_says_so(order: bytes) -> None:
    del order
    done = subprocess.run(
        [sys.executable, "-m", "waiting_child"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "started by hand" in done.stderr
