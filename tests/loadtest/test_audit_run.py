import asyncio
import json

import pytest

from loadtest.audit_run import AuditImpossible, audit_directory, scan_directory
from switch.adapters.sqlite_log import SqliteLog

RRN = "000000000001"
CLAIM = {"type": "partition-claimed.v1", "claim_id": "c"}
ROUTED = {"type": "payment-routed.v1", "rrn": RRN}
DECLINED = {"type": "payment-declined.v1", "rrn": RRN, "answer": {"response_code": "51"}}


async def append(log, *events):
    journal = await log.open_partition("journal", 0)
    acked = asyncio.get_running_loop().create_future()
    value = json.dumps({"claim_id": "c", "at": 1, "events": events}).encode()
    journal.append(value, acked.set_result)
    await asyncio.wait_for(acked, 60)


@pytest.fixture
async def log(tmp_path):
    opened = SqliteLog(tmp_path / "log.db", partition_count=1)
    (tmp_path / "issuer-ledger.jsonl").touch()
    yield opened
    await opened.close()


async def test_it_waits_until_everything_has_ended(tmp_path, log):
    await append(log, CLAIM)
    await append(log, ROUTED)
    seen = []

    def end_it(unsettled_count):
        seen.append(unsettled_count)
        if len(seen) == 1:
            ending.append(asyncio.ensure_future(append(log, DECLINED)))

    ending = []
    report = await audit_directory(tmp_path, [], settle_timeout_s=60, on_wait=end_it)
    await ending[0]
    assert report.is_clean
    assert seen[0] == 1
    assert seen[-1] == 0


async def test_what_does_not_end_in_time_is_a_violation(tmp_path, log):
    await append(log, CLAIM)
    await append(log, ROUTED)
    report = await audit_directory(tmp_path, [], settle_timeout_s=0)
    assert [violation.kind for violation in report.violations] == ["outcome-missing"]


async def test_a_missing_ledger_makes_the_audit_impossible(tmp_path, log):
    await append(log, CLAIM)
    (tmp_path / "issuer-ledger.jsonl").unlink()
    with pytest.raises(AuditImpossible, match="issuer-ledger"):
        await audit_directory(tmp_path, [], settle_timeout_s=0)


async def test_a_missing_journal_makes_the_audit_impossible(tmp_path):
    with pytest.raises(AuditImpossible, match=r"log\.db"):
        await audit_directory(tmp_path, [], settle_timeout_s=0)


def test_a_card_number_in_a_file_is_a_violation_of_invariant_11(tmp_path):
    (tmp_path / "output.log").write_text("sent 6200000000000005 upstream")
    violations = scan_directory(tmp_path, ["6200000000000005"])
    assert {(v.invariant, v.kind) for v in violations} == {(11, "card-number-in-clear")}
    assert "output.log at byte 5" in violations[0].evidence[0]
    assert "6200000000000005" not in repr(violations)
