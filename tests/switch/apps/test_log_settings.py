import msgspec
import pytest

from switch.adapters.kafka_topic_check import TopicWishes
from switch.apps.log_settings import (
    LogSettings,
    OwnershipSettings,
    SnapshotSettings,
    make_kafka_security,
    make_topic_wishes,
)


@pytest.mark.parametrize("text", ["", "0", "0-3", "0-3,7", "1,2,3"])
def test_partitions_are_ranges_and_numbers(text):
    assert msgspec.convert({"partitions": text}, OwnershipSettings).partitions == text


@pytest.mark.parametrize(
    ("section", "wrong"),
    [
        (OwnershipSettings, {"partitions": "all"}),
        (OwnershipSettings, {"proposer": "luck"}),
        (OwnershipSettings, {"session_timeout_ms": 10}),
        (LogSettings, {"security_protocol": "none"}),
        (LogSettings, {"sasl_mechanism": "PLAIN"}),
        (LogSettings, {"replication_factor": 1}),
        (SnapshotSettings, {"interval_record_count": 1}),
    ],
)
def test_what_cannot_be_is_refused(section, wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, section)


def test_one_copy_of_the_log_must_be_asked_for():
    assert not LogSettings().single_broker
    assert LogSettings().replication_factor == 3


def test_topics_are_wished_for_as_the_settings_say():
    assert make_topic_wishes(LogSettings(), makes=False) == TopicWishes(makes=False)
    wishes = make_topic_wishes(LogSettings(single_broker=True), makes=True)
    assert (wishes.copy_count, wishes.makes) == (1, True)


def test_who_this_process_is_reaches_every_client():
    log = LogSettings(
        security_protocol="sasl_plaintext",
        sasl_mechanism="SCRAM-SHA-256",
        sasl_username="gateway",
        sasl_password="secret",
    )
    assert make_kafka_security(log).client_options() == {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "gateway",
        "sasl_plain_password": "secret",
    }
