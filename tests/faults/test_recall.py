"""Originals that are read back from the journal while the log is busy, frozen and killed."""

import contextlib
import re
import sqlite3
from collections import Counter

import pytest

from loadtest.journal_file import JournalFile
from loadtest.ledger import read_ledger
from switch.demo.issuer_standing import standing_by_original
from tests.faults.stand import WRITER, until
from tests.faults.test_bad_changes import refund
from tests.faults.test_pause import Paused
from tests.faults.test_storms import in_parallel

pytestmark = pytest.mark.process

AGE_MS = 10 * 86_400_000  # more than keys and answers are remembered
PAYMENTS = 6
PART_MINOR = 500
PARTS = 4  # so many of a payment are there to refund, and one asks for more
REFUNDS_EACH = 7
TIME = re.compile(rb"(?<![0-9])1[0-9]{12}(?![0-9])")  # epoch milliseconds


def age_journal(stand):
    """Let everything in the journal of a stopped instance have happened earlier."""
    with contextlib.closing(sqlite3.connect(stand.data_dir / "log.db")) as log, log:
        rows = log.execute("SELECT id, value FROM record").fetchall()
        aged = [
            (TIME.sub(lambda found: b"%d" % (int(found.group()) - AGE_MS), value), number)
            for number, value in rows
            if b'"claim_id"' in value
        ]
        assert aged
        log.executemany("UPDATE record SET value = ? WHERE id = ?", aged)


def count_recalled(stand):
    """Count the requests that were decided on an original from the journal."""
    with JournalFile(stand.data_dir) as file:
        return sum(b'"recalled":{' in record.value for record in file.read_new())


def test_forgotten_payments_are_refunded_once_while_the_log_is_busy(own_stand, load_on):
    stand = own_stand()
    stand.start()
    rrns = [
        stand.pay_json(f"old-{number}", PARTS * PART_MINOR)[1]["rrn"] for number in range(PAYMENTS)
    ]
    stand.stop()
    age_journal(stand)
    stand.start()
    load = load_on(stand, 5)
    load.start()
    until(load.paid_count, "a payment")
    heard = Counter()

    def ask(rrn, number):
        def is_taken():
            status, told = refund(stand, rrn, f"{rrn}-{number}", PART_MINOR)
            heard[status, told.get("status"), told.get("reason_code")] += 1
            return status == 201 and told["status"] != "unknown"

        until(is_taken, lambda: f"refund {number} of {rrn}: {heard}")

    jobs = [
        lambda rrn=rrn, number=number: ask(rrn, number)
        for number in range(REFUNDS_EACH)
        for rrn in rrns
    ]
    half = len(jobs) // 2
    with Paused(stand.find_child(WRITER)):
        pass  # for a moment only: whoever reads and writes meanwhile goes on
    in_parallel(jobs[:half])
    stand.kill_child(WRITER)
    in_parallel(jobs[half:])
    load.stop()
    stand.wait_ready()
    load.repeat_unanswered()
    stand.check(load.told(), replays=False)
    left = standing_by_original(read_ledger(stand.ledger_path))
    assert {left.get(rrn, 0) for rrn in rrns} == {0}, heard
    assert count_recalled(stand) >= PAYMENTS
