"""The switch's own log over Kafka: made journals go through it, and so does the bare pipe."""

from switch.adapters.kafka_log import KafkaLog
from switch.adapters.kafka_topic_check import TopicWishes
from switch.adapters.open_log import open_log

__all__ = ["KafkaLog", "make_topics", "open_topics"]


async def open_topics(log_url: str) -> KafkaLog:
    """
    Open topics that are there.

    Raises:
        LogUnavailable: no broker answers, or there are none.
    """
    log = await open_log(log_url)
    assert isinstance(log, KafkaLog)
    return log


async def make_topics(log_url: str, partition_count: int) -> None:
    """
    Make topics as a switch over a single broker has them.

    Raises:
        LogUnavailable: no broker answers, or others are there.
    """
    wishes = TopicWishes(single_broker=True)
    await (await open_log(log_url, partition_count=partition_count, topics=wishes)).close()
