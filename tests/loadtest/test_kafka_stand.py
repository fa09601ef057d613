import pytest

from loadtest.kafka_stand import Broker, KafkaStand, StandPlan
from loadtest.metrics import read_metrics, read_status


@pytest.mark.process
async def test_a_stand_is_many_processes_over_topics_of_its_own(kafka_bootstrap, tmp_path):
    with KafkaStand(tmp_path, Broker(kafka_bootstrap), StandPlan(partition_count=2)) as stand:
        stand.prepare().start()
        assert set(stand.list_pids()) == {"registrar", "gateway", "handler-1", "issuer"}
        assert stand.address[1] > 0
        assert stand.ledger.parent == tmp_path
        added = stand.add_handler()
        assert set(stand.handlers) == {"handler-1", added}
        stand.members[added].kill()
        assert set(stand.handlers) == {"handler-1"}
        assert set(read_metrics(stand.members["handler-1"], "switch_partition_owned"))
        assert read_metrics(stand.members["gateway"], "no_such_metric") == {}
        assert read_status(stand.members["gateway"])["ready"] is True
        log = await stand.open_log()
        assert log.partition_count == 2
        await log.close()
        members = list(stand.members.values())
    assert not any(member.is_running for member in members)
