"""Ten thousand terminals that say nothing, and one that pays."""

import contextlib
import resource
import socket
import time

import pytest

from tests.faults.stand import SIMULATOR, STEADY_SWITCH_TIMES, WRITER, until
from tests.faults.till import Till

pytestmark = pytest.mark.process

IDLE_COUNT = 10_000
FEW_FILES = 400
FILES_KEPT = 500  # for everything else that this process and the switch have open
IDLE_RSS_BYTES_MAX = 300 * 1_048_576
PAYMENT_COUNT = 200
SLOW_S_MAX = 1.0  # of nine in ten: the machine itself may stand still for a moment


@pytest.fixture
def idle_count():
    """As many as this machine lets one process open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = IDLE_COUNT + FILES_KEPT
    wanted = target if hard == resource.RLIM_INFINITY else min(target, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield wanted - FILES_KEPT
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def few_open_files(count):
    """Let what is started within the block open so many files, no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_clients_than_open_files_leave_enough_for_everything_else(own_stand):
    stand = own_stand(
        STEADY_SWITCH_TIMES | {"SWITCH__RUNTIME__OPEN_FILES_COUNT_MIN": str(FEW_FILES)}
    )
    with few_open_files(FEW_FILES):
        stand.start()
    address = stand.address("unionpay-pos")
    with Till(address) as till, contextlib.ExitStack() as opened:
        assert till.pay(1000, 1).response_code == "00"
        for _ in range(2 * FEW_FILES):
            opened.enter_context(socket.create_connection(address, 20))
        until(lambda: len(stand.closings()) > FEW_FILES, "the rest is turned away")
        assert {line["cause"] for line in stand.closings()} == {"connection-bound"}
        assert till.pay(1000, 2).response_code == "00"
        stand.kill_child(SIMULATOR)
        stand.kill_child(WRITER)
        stand.wait_ready()
        stans = iter(range(3, 1_000))
        until(lambda: is_approved(till.pay(1000, next(stans))), "payments after both came again")
    stand.check(till.told)


def is_approved(heard):
    return heard is not None and heard.response_code == "00"


def open_connections(count, stand):
    return stand.metric("switch_connections") >= count


def test_ten_thousand_idle_terminals_cost_little_and_slow_nobody(stand, idle_count):
    address = stand.address("unionpay-pos")
    with contextlib.ExitStack() as opened:
        idle = [
            opened.enter_context(socket.create_connection(address, 20)) for _ in range(idle_count)
        ]
        until(lambda: open_connections(idle_count, stand), f"{idle_count} connections")
        took = []
        with Till(address) as till:
            for stan in range(1, PAYMENT_COUNT + 1):
                before = time.monotonic()
                assert till.pay(1000, stan).response_code == "00"
                took.append(time.monotonic() - before)
        assert sorted(took)[PAYMENT_COUNT * 9 // 10] < SLOW_S_MAX
        assert stand.rss_bytes() < IDLE_RSS_BYTES_MAX
        # any of them may wake up
        with Till(address) as late:
            late.socket, closed = idle[-1], late.socket
            closed.close()
            assert late.pay(1000, PAYMENT_COUNT + 1).response_code == "00"
        assert stand.closings() == []
    until(lambda: stand.metric("switch_connections") == 0, "all of them gone")
    stand.check()
