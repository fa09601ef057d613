from projections.status import (
    RETRYING,
    RUNNING,
    STOPPED,
    PartitionStatus,
    ProjectionStatus,
    ProjectorStatus,
)


def test_lag_counts_what_the_journal_has_and_the_rows_have_not():
    assert PartitionStatus().lag_count == 0
    assert PartitionStatus(next_offset=-1, end_offset=5).lag_count == 5
    assert PartitionStatus(next_offset=3, end_offset=5).lag_count == 2
    assert PartitionStatus(next_offset=6, end_offset=5).lag_count == 0
    one = ProjectionStatus(
        name="audit",
        partitions={
            0: PartitionStatus(next_offset=3, end_offset=5),
            1: PartitionStatus(next_offset=0, end_offset=5),
        },
    )
    assert one.lag_count == 7
    assert ProjectorStatus(projections={"audit": one}).lag_count == 7
    assert ProjectorStatus().lag_count == 0


def test_faults_name_each_projection_that_is_not_well():
    status = ProjectorStatus(
        projections={
            "a": ProjectionStatus(name="a", state=RUNNING),
            "b": ProjectionStatus(name="b", state=RETRYING, error="no server"),
            "c": ProjectionStatus(name="c", state=STOPPED, error="unknown event"),
        }
    )
    assert status.faults == (
        "projection b is retrying: no server",
        "projection c is stopped: unknown event",
    )
