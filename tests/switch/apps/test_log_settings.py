import msgspec
import pytest

from switch.apps.log_settings import LogSettings, OwnershipSettings, SnapshotSettings


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
