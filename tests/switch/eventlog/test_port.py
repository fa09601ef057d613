import pytest

from switch.eventlog.port import (
    AppendRefused,
    AppendUnknown,
    Fenced,
    LogUnavailable,
    PositionOutOfRange,
    check_address,
)


@pytest.mark.parametrize(
    ("log", "partition"),
    [("inbound", 0), ("inbound", 3), ("journal", 3), ("registry", 0), ("replies", 15)],
)
def test_these_partitions_exist(log, partition):
    check_address(log, partition, 4)


@pytest.mark.parametrize(
    ("log", "partition", "says"),
    [
        ("inbound", 4, "partitions 0 to 3, not 4"),
        ("journal", -1, "partitions 0 to 3, not -1"),
        ("registry", 1, "partitions 0 to 0, not 1"),
        ("replies", 16, "partitions 0 to 15, not 16"),
        ("payments", 0, "no log 'payments'"),
    ],
)
def test_other_partitions_are_refused_with_what_there_is(log, partition, says):
    with pytest.raises(ValueError, match=says):
        check_address(log, partition, 4)


def test_each_fault_says_whether_trying_again_can_help():
    retryable = {AppendRefused, LogUnavailable}
    final = {AppendUnknown, Fenced, PositionOutOfRange}
    assert all(fault.retryable for fault in retryable)
    assert not any(fault.retryable for fault in final)
