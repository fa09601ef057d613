import asyncio
import json

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from switch.adapters.sqlite_log import SqliteLog
from switch.cli.main import main
from switch.domain.registry.events import (
    AgentRegistered,
    IssuerRegistered,
    LinkRegistered,
    MerchantRegistered,
    RouteRegistered,
    TerminalRegistered,
)
from switch.eventlog.journal import JournalRecord, PartitionClaimed, encode_record
from switch.eventlog.registry_record import RegistryRecord, encode_registry_record
from tests.switch.handlers.conftest import make_message, world  # noqa: F401 - fixtures of that room

PARTITION, PARTITION_COUNT = 1, 4
CLAIM = PartitionClaimed(owner="o", claim_id="claim-1", at=0)
KINDS = (
    ("agents", "agent", AgentRegistered),
    ("merchants", "merchant", MerchantRegistered),
    ("terminals", "terminal", TerminalRegistered),
    ("issuers", "issuer", IssuerRegistered),
    ("links", "link", LinkRegistered),
    ("routes", "route", RouteRegistered),
)


def list_registry_records(view):
    """Write the handlers' test registry as a log: a claim in the first of six records."""
    events = [
        make(**{name: entity}) for kind, name, make in KINDS for entity in view.list_entities(kind)
    ]
    records = [
        RegistryRecord(claim_id="claim-1", at=0, actor="t", events=(event,)) for event in events
    ]
    records[0] = replace(records[0], events=(CLAIM, *records[0].events))
    return [encode_registry_record(record) for record in records]


async def append(log, name, partition, values):
    opened = await log.open_partition(name, partition)
    done = asyncio.get_running_loop().create_future()
    for value in values[:-1]:
        opened.append(value, lambda _: None)
    opened.append(values[-1], done.set_result)
    await done


def write_log(data_dir, view, records):
    claim = JournalRecord(
        claim_id="claim-1", at=0, watermark=0, registry_position=0, events=(CLAIM,)
    )

    async def write():
        log = SqliteLog(data_dir / "log.db", partition_count=PARTITION_COUNT)
        await append(log, "registry", 0, list_registry_records(view))
        await append(log, "journal", PARTITION, [encode_record(r) for r in (claim, *records)])
        await log.close()

    asyncio.run(write())


@pytest.fixture
def paid(world, make_message):  # noqa: F811
    """One approved payment and a declined one, in memory."""
    world.send(make_message())
    world.issuer_says("00")
    world.send(make_message(stan="000124", currency="840"))
    return world


def invoke(data_dir, *arguments):
    return CliRunner().invoke(main, ["replay", *arguments, "--data", str(data_dir)])


def test_the_steps_of_a_payment_come_out_the_same(paid, tmp_path):
    write_log(tmp_path, paid.registry, paid.journal)
    rrn = paid.journal[0].events[0].rrn
    result = invoke(tmp_path, rrn, "--format", "json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert found["same"]
    assert [step["offset"] for step in found["steps"]] == [1, 2]
    assert [step["fact"]["type"] for step in found["steps"]] == [
        "payment-requested.v1",
        "issuer-answered.v1",
    ]
    assert found["steps"][0]["decided"] == found["steps"][0]["recorded"]
    assert found["steps"][0]["fact"]["request"]["card"]["sealed_pan"].endswith("hidden>")
    table = invoke(tmp_path, rrn).output
    assert "all 2 decisions come out the same" in table
    assert "routed to bank" in table


def test_a_narrow_terminal_gets_its_steps_downwards(paid, tmp_path, monkeypatch):
    monkeypatch.setattr("switch.cli.screen.PIPE_WIDTH", 80)
    write_log(tmp_path, paid.registry, paid.journal)
    result = invoke(tmp_path, paid.journal[0].events[0].rrn)
    assert result.exit_code == 0
    assert "routed to bank" in result.output
    assert max(map(len, result.output.splitlines())) <= 80
    assert "today: same" in result.output


def test_an_altered_record_ends_with_4_and_names_the_field(paid, tmp_path):
    fact, decision = paid.journal[1].events
    forged = replace(decision, line=replace(decision.line, fee_minor=0))
    records = [paid.journal[0], replace(paid.journal[1], events=(fact, forged)), paid.journal[2]]
    write_log(tmp_path, paid.registry, records)
    rrn = paid.journal[0].events[0].rrn
    result = invoke(tmp_path, rrn, "--format", "json")
    assert result.exit_code == 7
    steps = json.loads(result.output)["steps"]
    assert [step["same"] for step in steps] == [True, False]
    assert steps[1]["differences"] == ["payment-approved.v1.line.fee_minor: 0 -> 1"]
    result = invoke(tmp_path, rrn)
    assert result.exit_code == 7
    assert "1 of 2 decisions come out different" in result.output
    result = invoke(tmp_path, "--all", "--format", "json")
    assert result.exit_code == 7
    found = json.loads(result.output)
    assert [one["different_count"] for one in found["partitions"]] == [0, 1, 0, 0]
    assert len(found["differences"]) == 1
    assert "the first:" in invoke(tmp_path, "--all").output


def test_the_whole_log_comes_out_the_same(paid, tmp_path):
    write_log(tmp_path, paid.registry, paid.journal)
    result = invoke(tmp_path, "--all")
    assert result.exit_code == 0, result.output
    assert "every decision comes out the same" in result.output
    # an instance that does not run is read by the log's own address as well
    url = f"sqlite://{tmp_path / 'log.db'}"
    assert invoke(tmp_path / "elsewhere", "--all", "--log", url).exit_code == 0


def test_a_running_instances_log_is_not_disturbed(paid, tmp_path):
    write_log(tmp_path, paid.registry, paid.journal)
    log = SqliteLog(tmp_path / "log.db", partition_count=PARTITION_COUNT)
    try:
        assert invoke(tmp_path, "--all").exit_code == 0
    finally:
        asyncio.run(log.close())


def test_a_payment_that_is_not_there_ends_with_1(paid, tmp_path):
    write_log(tmp_path, paid.registry, paid.journal)
    assert invoke(tmp_path, "010000009999").exit_code == 1
    assert invoke(tmp_path, "990000000000").exit_code == 1


def test_wrong_arguments_end_with_2_and_no_log_with_3(tmp_path):
    assert invoke(tmp_path).exit_code == 2
    assert invoke(tmp_path, "010000000000", "--all").exit_code == 2
    assert invoke(tmp_path, "010000000000").exit_code == 3


def test_an_rrn_of_others_ends_with_2(paid, tmp_path):
    write_log(tmp_path, paid.registry, paid.journal)
    assert invoke(tmp_path, "12345").exit_code == 2


def test_a_registry_that_lost_its_end_is_a_fault(paid, tmp_path):
    records = [replace(record, registry_position=99) for record in paid.journal]
    write_log(tmp_path, paid.registry, records)
    result = invoke(tmp_path, paid.journal[0].events[0].rrn)
    assert result.exit_code == 6
    assert "lost" in result.output
