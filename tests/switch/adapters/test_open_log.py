import pytest

from switch.adapters.kafka_log import KafkaLog
from switch.adapters.kafka_topic_check import TopicWishes
from switch.adapters.open_log import open_log
from switch.adapters.sqlite_log import SqliteLog
from switch.eventlog.port import LogSettingWrong, LogUnavailable


async def test_an_embedded_log_is_named_by_its_absolute_path(tmp_path):
    folder = tmp_path / "a b"
    folder.mkdir()
    log = await open_log(f"sqlite://{tmp_path}/a%20b/log.db", partition_count=3)
    assert isinstance(log, SqliteLog)
    assert (log.path, log.partition_count) == (folder / "log.db", 3)
    await log.close()


async def test_who_follows_needs_no_partition_count(tmp_path):
    url = f"sqlite://{tmp_path}/log.db"
    await (await open_log(url, partition_count=3)).close()
    log = await open_log(url, partition_count=7, read_only=True)
    assert log.partition_count == 3
    await log.close()


async def test_a_log_that_must_be_there_and_is_not_is_named(tmp_path):
    with pytest.raises(LogUnavailable, match=r"no event log at .*/log\.db"):
        await open_log(f"sqlite://{tmp_path}/log.db")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "log.db",
        "/data/log.db",
        "sqlite://",
        "sqlite://data/log.db",
        "kafka://",
        "kafka://broker",
        "kafka://broker:port",
        "kafka://broker:9092,",
        "kafka://127.0.0.1:99999",
        "kafka://127.0.0.1:0",
        "kafka://127.0.0.1:9092,127.0.0.1:65536",
        "kafka:/127.0.0.1:9092",
        "http://127.0.0.1:9092",
        "postgres://x/y",
        "kafka://127.0.0.1:9092?prefix=a&size=3",
        "kafka://127.0.0.1:9092?replication=1",
    ],
)
async def test_what_names_no_log_is_refused_with_the_form_that_is_wanted(url):
    with pytest.raises(LogSettingWrong, match=r"is wanted|may follow"):
        await open_log(url, partition_count=1)


@pytest.mark.parametrize("prefix", ["a%20b", "a/b", "%C3%A4-", "a" * 201])
async def test_a_prefix_that_no_topic_can_have_is_refused_before_anybody_is_asked(prefix):
    with pytest.raises(LogSettingWrong, match="no topic can be called"):
        await open_log(f"kafka://127.0.0.1:1?prefix={prefix}")


async def test_a_password_in_the_url_is_refused_and_not_repeated():
    with pytest.raises(LogSettingWrong, match=r"log\.sasl_password") as refused:
        await open_log("kafka://bob:hunter2@127.0.0.1:1?prefix=a-&b=c")
    assert "hunter2" not in str(refused.value)


@pytest.mark.kafka
async def test_a_kafka_log_is_made_with_its_prefix_and_found_again(kafka_bootstrap):
    url = f"kafka://{kafka_bootstrap}?prefix=open-log-"
    with pytest.raises(LogUnavailable, match="there is no topic open-log-inbound"):
        await open_log(url)
    topics = TopicWishes(single_broker=True)
    log = await open_log(url, partition_count=3, topics=topics)
    assert isinstance(log, KafkaLog)
    await log.close()
    found = await open_log(url, append_deadline_ms=7_000)
    assert (found.partition_count, found.append_deadline_ms) == (3, 7_000)
    await found.close()
