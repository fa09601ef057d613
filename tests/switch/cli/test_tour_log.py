import asyncio

import pytest

from switch.adapters.sqlite_log import SqliteLog
from switch.cli.failure import CommandFailure
from switch.cli.tour_log import count_partitions, name_own_topics, read_journal
from switch.demo.tour_instance import TourFault


def write_log(path, values):
    async def write():
        log = SqliteLog(path, partition_count=3)
        partition = await log.open_partition("journal", 2)
        done = [asyncio.get_running_loop().create_future() for _ in values]
        for value, each in zip(values, done, strict=True):
            partition.append(value, each.set_result)
        await asyncio.gather(*done)
        await log.close()

    asyncio.run(write())


def test_a_partition_of_the_journal_is_read_whole(tmp_path):
    values = [b"%d" % number for number in range(2_500)]
    write_log(tmp_path / "log.db", values)
    url = f"sqlite://{tmp_path / 'log.db'}"
    assert count_partitions(url) == 3
    assert [value for _, value in read_journal(url, 2)] == values
    assert read_journal(url, 0) == []


def test_a_log_that_is_not_there_is_a_fault(tmp_path):
    with pytest.raises(TourFault):
        read_journal(f"sqlite://{tmp_path / 'log.db'}", 0)


def test_each_tour_has_topics_of_its_own():
    first, second = (name_own_topics("kafka://127.0.0.1:9092") for _ in range(2))
    assert first.startswith("kafka://127.0.0.1:9092?prefix=switch-tour-")
    assert first != second
    assert "prefix=mine-tour-" in name_own_topics("kafka://h:1?prefix=mine-")


@pytest.mark.parametrize("url", ["sqlite:///x", "kafka://", "127.0.0.1:9092"])
def test_only_kafka_may_be_named(url):
    with pytest.raises(CommandFailure) as caught:
        name_own_topics(url)
    assert caught.value.exit_code == 2
