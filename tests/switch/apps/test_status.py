import msgspec
import pytest

from switch.apps.status import (
    INTERVALS_KEPT,
    ProcessStatus,
    decode_status,
    encode_status,
    keep_newest,
    merge_statuses,
)

NOW = 1_700_000_000_000


def make_status(name, role, **changes):
    content = {
        "name": name,
        "roles": (role,),
        "version": "1",
        "pid": 1,
        "http": "127.0.0.1:8080",
        "at": NOW,
        "interval_ms": 1_000,
        "not_ready": {},
        "partition_count": 2,
    }
    return ProcessStatus(**(content | changes))


def make_partition(index, state="serving", **changes):
    return {"partition": index, "state": state, "epoch": 1, "owner": "h", **changes}


def make_well():
    return [
        make_status("g", "gateway", gateways=[{"state": "taking"}]),
        make_status("h", "handler", partitions=[make_partition(1), make_partition(0)]),
        make_status("r", "registrar", registrars=[{"state": "waiting"}]),
    ]


def test_a_word_survives_the_log():
    [gateway, handler, _] = make_well()
    assert decode_status(encode_status(gateway)).gateways == [{"state": "taking"}]
    assert decode_status(encode_status(handler)).name == "h"


def test_the_last_word_of_each_process_counts_for_ten_intervals():
    old, new = make_status("a", "gateway", pid=1), make_status("a", "gateway", at=NOW + 1, pid=2)
    assert [one.pid for one in keep_newest([new, old], NOW)] == [2]
    limit = NOW + 1 + INTERVALS_KEPT * 1_000
    assert [one.name for one in keep_newest([old, new], limit)] == ["a"]
    assert keep_newest([old, new], limit + 1) == []


def test_who_said_good_bye_is_not_shown_any_more():
    said = [make_status("a", "gateway"), make_status("a", "gateway", at=NOW + 1, interval_ms=0)]
    assert keep_newest(said, NOW + 1) == []


def test_a_switch_whose_every_part_works_has_no_faults():
    merged = merge_statuses(make_well())
    assert merged.faults == ()
    assert [row["partition"] for row in merged.partitions] == [0, 1]
    assert {row["process"] for row in merged.partitions} == {"h"}
    assert [row["ready"] for row in merged.processes] == [True, True, True]


def test_who_serves_a_partition_comes_before_who_waits_for_it():
    waiting = make_status("a", "handler", partitions=[make_partition(0, "following", epoch=9)])
    merged = merge_statuses([waiting, *make_well()])
    assert [(row["partition"], row["process"]) for row in merged.partitions] == [
        (0, "h"),
        (0, "a"),
        (1, "h"),
    ]
    assert merged.faults == ()


@pytest.mark.parametrize(
    ("place", "changes", "words"),
    [
        (1, {"partitions": [make_partition(0)]}, "partition 1 is not served (by no process)"),
        (
            1,
            {"partitions": [make_partition(0), make_partition(1, "folding")]},
            "partition 1 is not served (folding)",
        ),
        (0, {"roles": ()}, "no gateway is running"),
        (2, {"roles": ()}, "no registrar is running"),
        (
            2,
            {"projections": [{"projection": "audit", "state": "retrying", "error": "no database"}]},
            "projection audit is retrying: no database",
        ),
        (0, {"not_ready": {"gateway": "slow"}}, "gateway g is not ready, gateway: slow"),
    ],
)
def test_what_is_not_well_is_said_in_words(place, changes, words):
    said = make_well()
    said[place] = msgspec.structs.replace(said[place], **changes)
    assert words in merge_statuses(said).faults


def test_two_gateways_of_one_number_are_told_with_what_to_do():
    row = {"state": "taking", "ordinal": 3}
    said = [*make_well(), *(make_status(name, "gateway", gateways=[row]) for name in "ba")]
    [fault] = merge_statuses(said).faults
    assert fault.startswith("gateways a, b have one number (gateway.ordinal 3): no answer goes")
    assert fault.endswith("give each a number of its own, 0 to 15")
    assert merge_statuses(said[:-1]).faults == ()


def test_partitions_of_a_switch_that_nobody_runs_are_faults_too():
    assert len([one for one in merge_statuses([], 3).faults if one.startswith("partition")]) == 3


def test_of_what_others_do_nothing_is_said_while_they_cannot_be_heard():
    slow = make_status("g", "gateway", not_ready={"log": "no broker answers"})
    assert merge_statuses([slow], unheard="no broker answers").faults == (
        "the other processes cannot be heard, because the log cannot be read: no broker answers",
        "gateway g is not ready, log: no broker answers",
    )
