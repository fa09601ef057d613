from switch.adapters.telemetry import make_telemetry
from switch.apps.partition_metrics import PartitionMetrics

SERVING = {
    "partition": 2,
    "state": "serving",
    "epoch": 7,
    "claimed_at": 1_790_000_000_500,
    "inbound_position": 41,
}


async def test_a_partition_that_is_served_shows_its_epoch_claim_time_and_position():
    metrics = make_telemetry("test").metrics
    PartitionMetrics(metrics).show([SERVING])
    page = (await metrics.render()).decode()
    assert 'switch_partition_epoch{partition="2"} 7.0' in page
    assert 'switch_partition_claim_time_seconds{partition="2"} 1.7900000005e+09' in page
    assert 'switch_partition_inbound_position{partition="2"} 41.0' in page


async def test_a_partition_that_is_another_process_s_or_was_handed_over_is_shown_as_nothing():
    metrics = make_telemetry("test").metrics
    shown = PartitionMetrics(metrics)
    shown.show([SERVING, SERVING | {"partition": 3}])
    shown.show([SERVING | {"state": "following", "inbound_position": 0}])
    page = (await metrics.render()).decode()
    for label in ("2", "3"):
        assert f'switch_partition_epoch{{partition="{label}"}} 0.0' in page
        assert f'switch_partition_claim_time_seconds{{partition="{label}"}} 0.0' in page
        assert f'switch_partition_inbound_position{{partition="{label}"}} 0.0' in page
