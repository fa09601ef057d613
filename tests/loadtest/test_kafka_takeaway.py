import pytest

from loadtest.kafka_stand import Broker, KafkaStand, StandPlan
from loadtest.kafka_takeaway import KILL, Gap, TakeAway, find_gap, group_approvals
from loadtest.told import Told
from loadtest.world import make_terminals
from switch.domain.identifiers import make_partition_key, partition_of


def told(spec, at, kind="sale", code="00"):
    return Told(
        kind=kind,
        acquirer=spec.acquirer,
        merchant_id=spec.merchant_id,
        terminal_id=spec.terminal_id,
        batch=spec.batch,
        stan="000001",
        amount_minor=100,
        at=at,
        response_code=code,
    )


def test_approvals_are_those_of_sales_by_partition_in_order():
    spec = make_terminals(1)[0]
    lines = [told(spec, 30), told(spec, 10), told(spec, 5, code="51"), told(spec, 6, "reversal")]
    index = partition_of(make_partition_key(spec.acquirer, spec.merchant_id), 4)
    assert group_approvals(lines, 4) == {index: [10, 30]}


@pytest.mark.parametrize(
    ("times", "want"),
    [
        ([0, 500, 1000, 1010, 3000, 3010], Gap(1010, 3000)),
        ([0, 990, 1005, 1020], Gap(990, 1005)),
        ([0, 500, 900], None),
        ([], None),
    ],
)
def test_the_longest_time_without_an_approval_ends_after_the_blow(times, want):
    assert find_gap(times, 1000) == want


@pytest.mark.process
async def test_what_a_killed_handler_owned_is_approved_by_another(kafka_bootstrap, tmp_path):
    plan = StandPlan(terminals=48, partition_count=2, handlers=2)
    with KafkaStand(tmp_path, Broker(kafka_bootstrap), plan) as stand:
        stand.prepare().start()
        taking = TakeAway(stand, 40.0)
        played = await taking.play(KILL, round_s=5.0)
        assert len(played.partitions) == 1
        assert 0 < played.until_approval_ms[0] < 20_000
        await taking.wait_shared()
        assert len(stand.handlers) == 2
