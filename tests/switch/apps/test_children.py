import asyncio
import json
import os
import resource
import signal
from pathlib import Path

import pytest
import structlog

from switch.adapters.telemetry import make_telemetry
from switch.apps.children import KeptChild

pytestmark = pytest.mark.process
DEADLINE_S = 60.0

CHILD = """
import json, os, signal, sys
from switch.adapters.child_process import report, take_order
order = json.loads(take_order())
report(b"not a report")
report(json.dumps({"pid": os.getpid(), "order": order}).encode())
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
while True:
    signal.pause()
"""

FAULTY = """
import json
from switch.adapters.child_process import report, take_order
order = json.loads(take_order())
report(json.dumps({"fault": "no room"} if order < 2 else {"address": "here"}).encode())
if order < 2:
    raise SystemExit(1)
import signal
while True:
    signal.pause()
"""


@pytest.fixture
async def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "reporting_child.py").write_text(CHILD)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{Path(__file__).parents[3]}")
    orders = iter(range(100))
    made = KeptChild(
        "child",
        "reporting_child",
        lambda: json.dumps(next(orders)).encode(),
        make_telemetry("test").log,
    )
    await made.start()
    assert await made.wait_report("pid", DEADLINE_S)
    yield made
    await made.stop()


async def until_order(child, number):
    async with asyncio.timeout(DEADLINE_S):
        while child.report.get("order") != number:  # noqa: ASYNC110 - a condition with a deadline
            await asyncio.sleep(0.01)


async def test_the_last_report_can_be_read(child):
    assert child.report["order"] == 0


async def test_a_child_that_dies_is_started_again_with_a_new_order(child):
    first = child.report["pid"]
    os.kill(first, signal.SIGKILL)
    await until_order(child, 1)
    assert child.report["pid"] != first


async def test_a_child_that_cannot_be_started_now_is_started_later(child):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = os.open(os.devnull, os.O_RDONLY)
    os.close(spare)
    with structlog.testing.capture_logs() as lines:
        resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))
        try:
            os.kill(child.report["pid"], signal.SIGKILL)
            async with asyncio.timeout(DEADLINE_S):
                while "child cannot be started now" not in [line["event"] for line in lines]:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    async with asyncio.timeout(DEADLINE_S):
        while not child.report:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_child_whose_end_is_expected_is_not_started_again(child):
    child.expect_end()
    os.kill(child.report["pid"], signal.SIGTERM)
    await asyncio.wait_for(child.stop(), DEADLINE_S)
    assert child.report == {}


async def test_waiting_for_a_report_that_does_not_come_ends(child):
    assert not await child.wait_report("address", 0.05)


@pytest.fixture
async def faulty_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "faulty_child.py").write_text(FAULTY)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{Path(__file__).parents[3]}")
    orders = iter(range(100))
    made = KeptChild(
        "child", "faulty_child", lambda: json.dumps(next(orders)).encode(), make_telemetry("t").log
    )
    yield made
    await made.stop()


async def test_a_child_that_goes_on_to_name_a_fault_is_not_waited_for(faulty_child, monkeypatch):
    monkeypatch.setattr("switch.apps.children.FAULT_PATIENCE_S", 0.0)
    await faulty_child.start()
    async with asyncio.timeout(DEADLINE_S):
        assert not await faulty_child.wait_report("address", 10 * DEADLINE_S)
    assert faulty_child.fault == "no room"


async def test_the_reason_of_a_childs_end_is_logged_and_forgotten_once_it_serves(faulty_child):
    with structlog.testing.capture_logs() as lines:
        await faulty_child.start()
        assert await faulty_child.wait_report("address", DEADLINE_S)
    ended = [line for line in lines if line["event"] == "child ended; it is started again"]
    assert [line["reason"] for line in ended] == ["no room", "no room"]
    assert faulty_child.fault == ""
