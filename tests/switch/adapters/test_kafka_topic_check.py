import msgspec
import pytest

from switch.adapters.kafka_topic_check import (
    MESSAGE_BYTES_MIN,
    TOPIC_LOGS,
    TOPIC_SETTINGS,
    TopicFound,
    TopicWishes,
    check_partition_count,
    check_topic,
    make_topic_settings,
    topic_name,
    wanted_counts,
    write_faults,
)
from switch.eventlog.port import LOG_NAMES, RECORD_BYTES_MAX

IN_EARNEST = TopicWishes()
ONE_BROKER = TopicWishes(single_broker=True)


def sound(log, **settings):
    """A topic as it is made in earnest, but for these settings (dots written as underscores)."""
    made = {"min.insync.replicas": "2", "unclean.leader.election.enable": "false"}
    changed = {name.replace("_", "."): value for name, value in settings.items()}
    return TopicFound(
        log=log,
        name=topic_name("p-", log),
        copy_counts=[3] * wanted_counts(4)[log],
        settings=made | dict(TOPIC_SETTINGS[log]) | changed,
        start_offsets=[0] * 4 if log in ("journal", "registry") else (),
    )


def reasons(found, wishes=IN_EARNEST):
    return [fault.reason for fault in check_topic(found, 4, wishes)]


def test_every_log_has_its_topic():
    assert set(LOG_NAMES) < set(TOPIC_LOGS)


@pytest.mark.parametrize("log", TOPIC_LOGS)
def test_a_topic_as_it_is_made_is_served_from(log):
    assert reasons(sound(log)) == []


@pytest.mark.parametrize("log", TOPIC_LOGS)
def test_snapshots_are_the_only_topic_that_is_compacted(log):
    is_compacted = "compact" in TOPIC_SETTINGS[log]["cleanup.policy"]
    assert is_compacted == (log == "snapshots")


@pytest.mark.parametrize(
    ("log", "settings", "reason"),
    [
        ("journal", {"cleanup_policy": "compact"}, "is compacted"),
        ("journal", {"cleanup_policy": "compact,delete"}, "is compacted"),
        ("registry", {"cleanup_policy": "compact"}, "is compacted"),
        ("inbound", {"cleanup_policy": "compact"}, "is compacted"),
        ("snapshots", {"cleanup_policy": "delete"}, "is not compacted"),
        ("journal", {"retention_ms": "604800000"}, "forgets records after 604800000 ms"),
        ("registry", {"retention_ms": "604800000"}, "forgets records after 604800000 ms"),
        ("journal", {"retention_bytes": "1000"}, "forgets records above 1000 bytes"),
        ("registry", {"retention_bytes": "1000"}, "forgets records above 1000 bytes"),
        ("inbound", {"retention_ms": "60000"}, "forgets requests after 60000 ms"),
        ("inbound", {"retention_bytes": "1000"}, "forgets requests above 1000 bytes"),
        ("journal", {"unclean_leader_election_enable": "true"}, "may lose acknowledged records"),
        ("inbound", {"unclean_leader_election_enable": "true"}, "may lose acknowledged records"),
        ("journal", {"min_insync_replicas": "1"}, "acknowledges what only one broker has"),
        ("journal", {"max_message_bytes": "100000"}, "takes no batches above 100000 bytes"),
    ],
)
def test_a_topic_that_would_lose_money_is_refused(log, settings, reason):
    [found] = reasons(sound(log, **settings))
    assert found.startswith(reason)


def test_a_setting_that_is_not_known_is_not_trusted():
    found = msgspec.structs.replace(sound("journal"), settings={})
    assert "unclean leader election" in reasons(found)[0]


def test_a_journal_that_lost_its_beginning_is_refused():
    found = msgspec.structs.replace(sound("journal"), start_offsets=[0, 0, 7, 0])
    assert reasons(found) == ["has lost its first 7 records in partition 2"]


def test_another_partition_count_is_refused():
    found = msgspec.structs.replace(sound("inbound"), copy_counts=[3] * 5)
    assert reasons(found) == ["has 5 partitions, not 4"]


def test_one_copy_must_be_accepted_aloud():
    found = msgspec.structs.replace(
        sound("journal", min_insync_replicas="1"), copy_counts=[3, 3, 1, 3]
    )
    assert [reason.split()[0] for reason in reasons(found)] == ["keeps", "acknowledges"]
    assert reasons(found, ONE_BROKER) == []


def test_a_single_broker_is_not_allowed_to_forget_either():
    assert reasons(sound("journal", retention_ms="1"), ONE_BROKER)


def test_one_copy_less_than_there_are_must_be_in_sync():
    assert (IN_EARNEST.copy_count, IN_EARNEST.min_isr_count) == (3, 2)
    assert (ONE_BROKER.copy_count, ONE_BROKER.min_isr_count) == (1, 1)


def test_every_fault_says_what_to_do():
    for fault in check_topic(
        sound("journal", cleanup_policy="compact", retention_ms="1"), 4, IN_EARNEST
    ):
        assert fault.remedy
        assert str(fault).startswith(f"topic p-journal {fault.reason}: ")


def test_what_is_wrong_with_many_topics_is_said_once():
    faults = [
        *check_topic(sound("journal", min_insync_replicas="1"), 4, IN_EARNEST),
        *check_topic(sound("replies", cleanup_policy="compact"), 4, IN_EARNEST),
        *check_topic(sound("registry", min_insync_replicas="1"), 4, IN_EARNEST),
    ]
    copies, compacted = write_faults(faults).splitlines()
    assert copies.startswith("each of the topics p-journal, p-registry acknowledges what only one")
    assert "--single-broker (log.single_broker)" in copies
    assert compacted.startswith("topic p-replies is compacted")


@pytest.mark.parametrize("log", ["registry", "replies", "status"])
def test_no_setting_is_named_for_a_count_that_none_can_change(log):
    found = msgspec.structs.replace(sound(log), copy_counts=[3] * 5)
    [fault] = check_partition_count(found, 4)
    assert fault.remedy == "the count is fixed for ever: take another prefix"


def test_the_setting_is_named_that_fits_the_count():
    found = msgspec.structs.replace(sound("inbound"), copy_counts=[3] * 16)
    [fault] = check_partition_count(found, 4)
    assert "set log.partition_count=16 for every process" in fault.remedy


def test_the_largest_record_fits_with_its_headers():
    assert MESSAGE_BYTES_MIN > RECORD_BYTES_MAX + 1_024


@pytest.mark.parametrize("log", TOPIC_LOGS)
def test_a_topic_that_is_made_is_one_to_be_served_from(log):
    found = TopicFound(
        log=log,
        name=topic_name("p-", log),
        copy_counts=[3] * wanted_counts(4)[log],
        settings=make_topic_settings(log, IN_EARNEST),
    )
    assert check_topic(found, 4, IN_EARNEST) == []
