from switch.handlers.settings import PartitionSettings


def test_a_successor_waits_longer_than_anybody_may_send():
    settings = PartitionSettings(partition_count=4)
    assert settings.send_margin_ms > 0
    assert settings.send_window_ms < 1_000
