import asyncio
import secrets

from loadtest.kafka_witness import TopicReader
from loadtest.trail import RawRecord
from switch.adapters.kafka_log import KafkaLog
from switch.adapters.kafka_topic_check import TopicWishes


async def append_all(partition, values):
    acked = [asyncio.get_running_loop().create_future() for _ in values]
    for value, future in zip(values, acked, strict=True):
        partition.append(value, future.set_result)
    await asyncio.wait_for(asyncio.gather(*acked), 20)


async def test_each_record_of_a_topic_is_read_once_and_in_order(kafka_bootstrap):
    prefix = f"w{secrets.token_hex(4)}-"
    log = await KafkaLog.connect(
        kafka_bootstrap, partition_count=2, prefix=prefix, topics=TopicWishes(single_broker=True)
    )
    journal = [await log.open_partition("journal", index) for index in range(2)]
    await append_all(journal[1], [b"a", b"b"])
    async with TopicReader.opened(kafka_bootstrap, f"{prefix}journal", 2) as reader:
        first = [record async for record in reader.read_new()]
        assert [record async for record in reader.read_new()] == []
        await append_all(journal[0], [b"c"])
        second = [record async for record in reader.read_new()]
    await log.close()
    assert first == [RawRecord(1, 0, b"a"), RawRecord(1, 1, b"b")]
    assert second == [RawRecord(0, 0, b"c")]
