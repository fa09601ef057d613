from hypothesis import given
from hypothesis import strategies as st

from switch.handlers.upstream_stans import STAN_MAX, UpstreamStans


@given(st.integers(0, 3), st.integers(1, 200))
def test_trace_numbers_of_two_partitions_never_meet(partition, count):
    stans = UpstreamStans(partition, 4)
    for _ in range(count):
        stan = stans.next()
        assert int(stan) % 4 == partition
        assert 0 < int(stan) <= STAN_MAX
        stans.use(stan)


def test_the_trace_number_wraps_and_skips_those_of_open_payments():
    stans = UpstreamStans(1, 4)
    stans.use("999997")  # the last of partition 1 of 4
    assert stans.next() == "000001"
    stans.hold("000001")
    assert stans.next() == "000005"
    stans.release("000001")
    assert stans.next() == "000001"


def test_half_of_a_class_in_use_ends_the_search():
    stans = UpstreamStans(1, 4)
    for stan in range(1, STAN_MAX // 2, 4):
        stans.hold(f"{stan:06d}")
    assert stans.next() == ""


def test_asking_twice_gives_the_same_number_until_it_is_used():
    stans = UpstreamStans(2, 4)
    assert stans.next() == stans.next() == "000002"
    stans.use("000002")
    assert stans.next() == "000006"
