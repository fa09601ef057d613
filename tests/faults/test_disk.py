"""The disk under everything (log, keys, database, ledger, log lines) is full."""

import contextlib
import os
import subprocess
import time

import pytest

from tests.faults.stand import DEADLINE_S, SHORT_TIMES, until

pytestmark = pytest.mark.process

DISK_MIB = 160  # PostgreSQL takes 60 to begin with
NOT_SENT = "96"
BLOCK = bytes(65_536)
# what is approved is approved in spite of a stall, and what is lost is not waited for too long
SETTINGS = SHORT_TIMES | {
    "SWITCH__TIMES__TERMINAL_DEADLINE_MS": "6000",
    "SWITCH__TIMES__ISSUER_TIMEOUT_MS": "2500",
    "SWITCH__TIMES__ISSUER_DELAY_MAX_MS": "3000",
    "SWITCH__TIMES__SEND_WINDOW_MS": "2400",
}
PATIENCE_S = 7.0


class SmallDisk:
    """A file system of its own that can be filled and freed."""

    def __init__(self, folder):
        self.folder = folder
        self.ballast = folder / "ballast"

    def fill(self):
        """Take every byte that is left."""
        descriptor = os.open(self.ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        size = len(BLOCK)
        try:
            while size:
                try:
                    os.write(descriptor, BLOCK[:size])
                except OSError:
                    size //= 2
        finally:
            os.close(descriptor)

    def free(self):
        self.ballast.unlink()


@contextlib.contextmanager
def mount_small_disk(folder, size_mib):
    folder.mkdir()
    options = ["-o", f"size={size_mib}m,mode=700"]
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", *options, "small-disk", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("DISK TESTS SKIPPED, they mount a tmpfs: " + mounted.stderr.strip())
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def disk(tmp_path):
    with mount_small_disk(tmp_path / "disk", DISK_MIB) as made:
        yield made


@pytest.fixture
def stand_on_disk(disk, own_stand):
    made = own_stand(SETTINGS, disk.folder)
    made.start()
    yield made
    made.stop()


def pay_until_refused(stand, disk, tills, stans):
    """Fill the disk again and again until nobody can pay any more."""
    refused = []

    def is_refused():
        disk.fill()
        for number, till in enumerate(tills):
            stans[number] += 1
            heard = till.pay(1000, stans[number])
            if heard is not None and heard.response_code == NOT_SENT:
                refused.append(heard)
        return len(refused) >= len(tills)

    until(is_refused, lambda: f"payments are refused: {stand.readiness()}")
    return refused


@pytest.fixture
def load(stand_on_disk, load_on):
    made = load_on(stand_on_disk, 1)
    for till in made.tills:
        till.address = stand_on_disk.address("unionpay-pos")
        till.patience_s = PATIENCE_S
    return made


def test_a_full_disk_declines_and_a_freed_one_serves_without_a_restart(stand_on_disk, disk, load):
    stand = stand_on_disk
    assert all(till.pay(1000, 1).response_code == "00" for till in load.tills)
    load.stans = [1] * len(load.tills)
    refused = pay_until_refused(stand, disk, load.tills, load.stans)
    assert all(heard.private_63[3:].startswith("log-unavailable") for heard in refused)
    assert all(line.mac_valid for line in load.told() if line.response_code == NOT_SENT)
    status, problem = stand.pay_json("while-full")
    assert (status, problem["reason_code"]) == (503, "log-unavailable")
    status, found = stand.readiness()
    assert status == 503
    assert "full" in str(found["reasons"]), found

    disk.free()
    stand.wait_ready()
    approved_before = load.paid_count()
    pays_again(load)
    assert load.paid_count() > approved_before
    assert stand.pay_json("while-full")[1]["status"] == "approved"
    repeat_all(load)
    last = next(line for line in reversed(load.told()) if line.response_code == "00" and line.rrn)
    path = f"/v1/payments/{last.rrn}"
    until(lambda: stand.ask_operator("GET", path)[0] == 200, "the projections catch up")
    stand.check(load.told(), load.pans())


def pays_again(load):
    """Let every terminal pay once more; the line to the issuer may need a moment."""
    for number, till in enumerate(load.tills):

        def is_approved(number=number, till=till):
            load.stans[number] += 1
            heard = till.pay(2000, load.stans[number])
            return heard is not None and heard.response_code == "00"

        until(is_approved, f"terminal {number} is approved again")


def repeat_all(load):
    """Ask again for every payment that got no answer: reversed by now, or never come in."""
    for till in load.tills:
        for line in [line for line in till.told if line.kind == "sale" and not line.response_code]:
            stan = int(line.stan)
            until(lambda: till.reverse(line.amount_minor, stan), f"reversal of {stan}")  # noqa: B023


def test_killed_while_the_disk_is_full_it_starts_again_once_there_is_room(
    stand_on_disk, disk, load
):
    stand = stand_on_disk
    pay_until_refused(stand, disk, load.tills, load.stans)
    stand.kill_main()
    disk.free()
    stand.start()
    for till in load.tills:
        till.hang_up()
        till.address = stand.address("unionpay-pos")
    pays_again(load)
    repeat_all(load)
    stand.check(load.told())


def test_a_start_on_a_full_disk_says_so_and_the_next_one_works(stand_on_disk, disk, load):
    stand = stand_on_disk
    assert load.tills[0].pay(1000, 1).response_code == "00"
    stand.kill()
    disk.fill()
    started = time.monotonic()
    done = subprocess.run(
        stand.command(), env=stand._environment, capture_output=True, text=True, check=False
    )
    assert done.returncode
    assert time.monotonic() - started < DEADLINE_S
    assert "Traceback" not in done.stderr
    assert "full" in done.stderr
    assert str(disk.folder) in done.stderr
    assert "free some space" in done.stderr
    disk.free()
    stand.start()
    load.tills[0].hang_up()
    load.tills[0].address = stand.address("unionpay-pos")
    assert load.tills[0].pay(1000, 1, "repeat").response_code == "00"
    stand.check(load.told())
