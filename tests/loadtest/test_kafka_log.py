import secrets

import pytest

from loadtest.kafka_log import make_topics, open_topics
from switch.eventlog.port import LogUnavailable


async def test_topics_are_made_once_and_opened_by_whoever_needs_them(kafka_bootstrap):
    url = f"kafka://{kafka_bootstrap}?prefix=l{secrets.token_hex(4)}-"
    with pytest.raises(LogUnavailable):
        await open_topics(url)
    await make_topics(url, 3)
    await make_topics(url, 3)
    log = await open_topics(url)
    assert log.partition_count == 3
    await log.close()
